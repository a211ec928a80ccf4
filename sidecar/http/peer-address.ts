// The address of who is at the other end.

/** IPv4-mapped IPv6 addresses in IPv4 form, as policies and networks are written. */
export function peerAddress(socket: { remoteAddress?: string | undefined }): string {
  const address = socket.remoteAddress ?? ''
  return address.startsWith('::ffff:') && address.includes('.') ? address.slice(7) : address
}
