// The same app as ES modules: every package and every function of Node imported by name.
import { Agent, get, request } from 'node:http'
import express from 'express'
import fastify from 'fastify'
import * as grpc from '@grpc/grpc-js'
import axios from 'axios'
import * as undici6 from 'undici6'
import { createClients, createWork } from './clients.cjs'
import { startServers } from './servers.cjs'

const [major, minor] = process.versions.node.split('.').map(Number)
const http = { Agent, get, request }
const packages = { express, fastify, grpc, axios, undici6 }
if (major >= 20) packages.undici7 = await import('undici7')
if (major > 22 || (major === 22 && minor >= 19)) {
  packages.undici8 = await import('undici8')
  packages.got = (await import('got')).got
}
const { UPSTREAM: upstream, GRPC_UPSTREAM: grpcUpstream } = process.env
const clients = createClients({ packages, http, upstream, grpcUpstream })
const work = createWork(clients, { http, upstream })
const ports = await startServers({ packages, work })
console.log(JSON.stringify({ ports, clients: Object.keys(clients) }))
