// Requests that are wrong in many ways, made by chance, with words in them that whoever makes them chooses.
import type { Agent } from 'node:http'
import type { SidecarProcess } from '../endurance/sidecar-process.ts'
import type { Chance } from '../fuzz/fuzz.ts'
import { send, type Answer } from '../support/client.ts'
import { hosts, type TestMesh } from '../support/mesh.ts'
import { assertionName, forName, handleName, mintByHand, speak, viaName } from './attack.ts'

export interface BadGround {
  readonly mesh: TestMesh
  /** App's. */
  readonly app: SidecarProcess
  readonly agent: Agent
  /** Gives a word, of letters and digits, to be put there. */
  readonly plant: (place: string) => string
  /** Told of each token that is sent. */
  readonly add: (place: string, token: string) => void
}

export interface BadRequest {
  readonly name: string
  /** Otherwise what is wrong is left out, and the rest served. */
  readonly isRefused: boolean
  /** @returns all of the answer; its status and code first. */
  send(ground: BadGround, chance: Chance): Promise<string>
}

export function textOf({ status, code, headers, body }: Answer): string {
  return `${status} ${code} ${JSON.stringify(headers)} ${body}`
}

async function ask({ app, agent }: BadGround, headers: readonly string[], target = '/'): Promise<string> {
  return textOf(await send({ port: app.inbound, agent, target, headers }))
}

function say(port: number, lines: readonly string[]): Promise<string> {
  return speak(port, `${[...lines, 'Connection: close'].join('\r\n')}\r\n\r\n`)
}

async function signed(ground: BadGround, place: string, changes: Record<string, unknown>): Promise<string> {
  const { pomerium } = ground.mesh
  const token = await pomerium.sign({ ...pomerium.claims('alice', hosts.App), ...changes })
  ground.add(place, token)
  return token
}

export const badRequests: readonly BadRequest[] = [
  {
    name: 'a token that somebody made up, with what only he knows in it',
    isRefused: true,
    async send(ground, chance) {
      const token = await signed(ground, 'a made up token', { note: ground.plant('a made up claim') })
      const cut = token.slice(0, -chance(20) - 1)
      ground.add('a made up token', cut)
      return ask(ground, [assertionName, cut])
    },
  },
  {
    name: 'a token that is late, or for another host, or two',
    isRefused: true,
    async send(ground, chance) {
      const wrong =
        chance(2) === 0
          ? await signed(ground, 'a late token', { exp: 1_700_000_000 })
          : await signed(ground, 'a token for another host', { aud: hosts.Ledger, iss: hosts.Ledger })
      const right = chance(2) === 0 ? [assertionName, await signed(ground, 'a user token', {})] : []
      return ask(ground, [assertionName, wrong, ...right])
    },
  },
  {
    name: 'no token of any form',
    isRefused: true,
    send(ground) {
      const word = ground.plant('what is no token')
      return ask(ground, [assertionName, `${word}.${ground.plant('what is no token')}.x`], `/?${word}`)
    },
  },
  {
    name: 'an original user, evidence and handles, from where none may come',
    isRefused: false,
    async send(ground) {
      const { plant } = ground
      const tokens = [await signed(ground, 'a user token', {}), await signed(ground, 'a user token', {})]
      return ask(ground, [
        assertionName,
        tokens[0] as string,
        forName,
        tokens[1] as string,
        viaName,
        plant('evidence'),
        handleName,
        plant('a handle'),
        'tracestate',
        `onbehalf=${plant('a handle')}`,
        'baggage',
        `k=${plant('baggage')}`,
      ])
    },
  },
  {
    name: "an account's token, to whom it may not call, or to whom it is not for",
    isRefused: true,
    async send(ground, chance) {
      const aud = chance(2) === 0 ? hosts.App : hosts.API
      const token = await mintByHand(ground.mesh, 'api-access', { aud })
      ground.add('a minted token', token)
      return ask(ground, [assertionName, token, forName, await signed(ground, 'a user token', {})])
    },
  },
  {
    name: 'what cannot be read',
    isRefused: true,
    send({ app, plant }, chance) {
      const word = plant('a head that cannot be read')
      const heads = [
        [`GET /?${word} HTTP/1.1`, 'Host: a', `X-${word}`],
        [`GET /?${word} HTTP/1.1`, 'Host: a', 'Content-Length: 1', `Content-Length: ${word}`],
        [`GET http://root:${word}@a/ HTTP/1.1`, 'Host: a'],
        [`${word} / HTTP/1.1`, 'Host: a', `Cookie: ${word}\0`],
        [`GET /?${word} HTTP/9.9`, 'Host: a'],
        ['GET / HTTP/1.1', `Host: ${word}@a`],
      ]
      return say(chance(2) === 0 ? app.inbound : app.outbound, heads[chance(heads.length)] as string[])
    },
  },
  {
    name: 'a call of the app with what is no handle, or to whom nobody answers',
    isRefused: true,
    send({ app, plant }, chance) {
      return say(app.outbound, [
        `GET /?key=${plant('the query of a call')} HTTP/1.1`,
        `Host: ${chance(2) === 0 ? hosts.API : `127.0.0.1:${1 + chance(8)}`}`,
        `Authorization: Bearer ${plant('Authorization of a call')}`,
        `tracestate: onbehalf=${plant('a handle of a call')}`,
      ])
    },
  },
]
