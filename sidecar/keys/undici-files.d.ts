// The files of undici that ./undici.ts loads by themselves; what they are, the types of its index say.
declare module 'undici/lib/dispatcher/client.js' {
  const client: unknown
  export default client
}

declare module 'undici/lib/api/api-request.js' {
  const request: unknown
  export default request
}
