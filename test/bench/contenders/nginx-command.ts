// How nginx is run with everything it writes in a folder of its own.
import { writeFile } from 'node:fs/promises'
import path from 'node:path'

/** Writes nginx.conf with this `server` (and what belongs beside it) into the folder, and gives the command line. */
export async function nginxCommand(folder: string, servers: string): Promise<string[]> {
  const temporaryPaths = ['client_body', 'proxy', 'fastcgi', 'uwsgi', 'scgi']
    .map((name) => `${name}_temp_path ${path.join(folder, name)};`)
    .join(' ')
  // Its worker must read what lies in the folder, which is its owner's alone.
  const user = process.getuid?.() === 0 ? 'user root root;' : ''
  const text = `
${user}
daemon off;
worker_processes 1;
pid ${path.join(folder, 'nginx.pid')};
error_log stderr warn;
events { worker_connections 1024; }
http {
  access_log off;
  ${temporaryPaths}
  # By default nginx ends a connection after 1,000 requests, which would be measured as reconnecting.
  keepalive_requests 1000000000;
${servers}
}
`
  const file = path.join(folder, 'nginx.conf')
  await writeFile(file, text)
  return ['nginx', '-p', folder, '-e', 'stderr', '-c', file]
}
