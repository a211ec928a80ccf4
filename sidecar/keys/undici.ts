// What is used of undici, from the files where it stands: its index carries out fetch, WebSocket, caches and mocks too.
import type { Client, Dispatcher } from 'undici'
import clientClass from 'undici/lib/dispatcher/client.js'
import requestFunction from 'undici/lib/api/api-request.js'

export type { Client }
export type ClientOptions = Client.Options

const ClientClass = clientClass as typeof Client
const request = requestFunction as Dispatcher['request']

/** A client of one origin (`https://host:port`), with one connection. */
export function createClient(origin: string, options: ClientOptions): Client {
  return new ClientClass(origin, options)
}

/** Resolves once the head of the answer is there. */
export function requestOf(
  client: Client,
  options: Dispatcher.RequestOptions,
): Promise<Dispatcher.ResponseData<unknown>> {
  return request.call(client, options)
}
