// A Redis of the bench's own, beside the load.
import { freePort, isListening, ownFolder, type Bed } from './bed.ts'
import { cores, type Process } from './processes.ts'

export async function startRedis({
  processes,
  folder,
}: Bed): Promise<{ port: number; stop: Process['stop'] }> {
  const port = await freePort()
  const dir = await ownFolder(folder, 'redis')
  const flags = ['--port', String(port), '--bind', '127.0.0.1', '--dir', dir, '--save', '']
  const redis = processes.start('redis', cores.load, ['redis-server', ...flags])
  await redis.until(() => isListening(port))
  return { port, stop: redis.stop }
}
