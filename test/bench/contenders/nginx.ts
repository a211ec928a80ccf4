// nginx as a plain reverse proxy with upstream keep-alive: it verifies nothing, and is the practical floor.
import { freePort, isListening, ownFolder } from '../bed.ts'
import { cores } from '../processes.ts'
import type { Contender } from './contender.ts'
import { nginxCommand } from './nginx-command.ts'

export const nginx: Contender = {
  name: 'nginx',
  title: 'nginx, verifying nothing',
  command: 'nginx',
  verifies: false,
  start: async ({ processes, folder, upstreamPort }) => {
    const port = await freePort()
    const servers = `
  upstream app {
    server 127.0.0.1:${upstreamPort};
    keepalive 64;
    keepalive_requests 1000000000;
  }
  server {
    listen 127.0.0.1:${port};
    location / {
      proxy_pass http://app;
      proxy_http_version 1.1;
      proxy_set_header Connection "";
      proxy_set_header Host $host;
      client_max_body_size 0;
      proxy_request_buffering off;
      proxy_max_temp_file_size 0;
    }
  }`
    const command = await nginxCommand(await ownFolder(folder, 'nginx'), servers)
    const startedMs = performance.now()
    const process = processes.start('nginx', cores.proxy, command)
    await process.until(() => isListening(port))
    const startToReadyMs = performance.now() - startedMs
    return { pid: process.pid, port, startToReadyMs, stop: process.stop }
  },
}
