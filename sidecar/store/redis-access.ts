// Reads the files by which a Redis lets us in: anew for each connection, so that whoever changes one need not tell us.
import { readFile } from 'node:fs/promises'
import type { RedisSettings, RedisUser } from '../../shared/config/mesh.ts'
import { Redacted } from '../../shared/redacted.ts'
import type { RedisAccess } from './redis-connection.ts'
import { RedisFault } from './redis-fault.ts'

/** @throws {RedisFault} `file`. */
export async function readAccess(tls: RedisSettings['tls'], user: RedisUser): Promise<RedisAccess> {
  const [ca, certificate, key, password] = await Promise.all([
    read(tls?.caFile),
    read(tls?.certificateFile),
    read(tls?.keyFile),
    read(user.passwordFile),
  ])
  return {
    tls: tls === undefined ? undefined : { ...defined({ ca, certificate, key }) },
    username: user.username,
    password: password === undefined ? undefined : new Redacted(password.replace(/\r?\n$/, '')),
  }
}

function defined<T extends Record<string, string | undefined>>(texts: T): { [K in keyof T]?: string } {
  return Object.fromEntries(Object.entries(texts).filter(([, text]) => text !== undefined)) as {
    [K in keyof T]?: string
  }
}

async function read(file: string | undefined): Promise<string | undefined> {
  if (file === undefined) return undefined
  try {
    return await readFile(file, 'utf8')
  } catch (error) {
    throw new RedisFault('file', `${file}: ${(error as NodeJS.ErrnoException).code}`)
  }
}
