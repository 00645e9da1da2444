// One machine of a vendor at a steady pace, while its keys and the gate's are exchanged: oauth4webapi, DPoP.
//
// Reads commands as lines of JSON from its standard input, and answers on its standard output.

import { randomUUID } from 'node:crypto'
import { readFile } from 'node:fs/promises'
import { createInterface } from 'node:readline'
import { setInterval as paces } from 'node:timers/promises'

import * as oauth from 'oauth4webapi'
import { Agent, fetch } from 'undici'

const TICK_MS = 10
const IN_FLIGHT_MAX = 256
/** A token serves this long; then the next is got, as a machine with short tokens would. */
const TOKEN_MS = 2_000
/** Connections are given up this often, so that the gate's newest certificate is met. */
const CONNECTIONS_MS = 3_000

const say = (message) => process.stdout.write(`${JSON.stringify(message)}\n`)
const encode = (value) => Buffer.from(JSON.stringify(value)).toString('base64url')

class Worker {
  constructor({ issuer, gate, ca, name, jwk, rate }) {
    Object.assign(this, { issuer: new URL(issuer), url: new URL('/parcels', gate), ca, rate })
    this.client = { client_id: name }
    this.first = jwk
    this.counts = { passed: 0, tokens: 0, handshakes: 0 }
    this.failures = []
    this.in_flight = new Set()
  }

  async start() {
    this.connect()
    const options = { algorithm: 'oauth2', ...this.options }
    const response = await oauth.discoveryRequest(this.issuer, options)
    this.server = await oauth.processDiscoveryResponse(this.issuer, response)
    this.holder = await this.holderOf(await importKey(this.first))
    await this.renew(this.holder)
    this.last = performance.now()
    this.owed = 0
    this.reconnect_at = this.last + CONNECTIONS_MS
    this.stopping = new AbortController()
    this.pace()
    say({ started: true })
  }

  get options() {
    return { [oauth.customFetch]: (url, options) => fetch(url, { ...options, dispatcher: this.agent }) }
  }

  connect() {
    const old = this.agent
    this.agent = new Agent({ connections: 8, connect: { ca: this.ca } })
    this.counts.handshakes += 1
    // Ends when its last answer is there.
    old?.close()
  }

  /** A registered key with what hangs on it: a proof key of its own, and its token. */
  async holderOf(pair) {
    const proof = await oauth.generateKeyPair('Ed25519')
    return { ...pair, auth: oauth.PrivateKeyJwt(pair.key), dpop: oauth.DPoP(this.client, proof) }
  }

  async renew(holder) {
    const ask = async () => {
      const wish = new URLSearchParams({ scope: 'parcels.read' })
      const options = { ...this.options, DPoP: holder.dpop }
      const response = await oauth.clientCredentialsGrantRequest(this.server, this.client, holder.auth, wish, options)
      return oauth.processClientCredentialsResponse(this.server, this.client, response)
    }
    const answer = await again(ask)
    this.counts.tokens += 1
    holder.token = answer.access_token
    holder.until = performance.now() + TOKEN_MS
  }

  /** The load itself, not a wait for anything. */
  async pace() {
    try {
      for await (const _ of paces(TICK_MS, undefined, { signal: this.stopping.signal })) this.tick()
    } catch (error) {
      if (error.name !== 'AbortError') throw error
    }
  }

  tick() {
    const now = performance.now()
    if (now > this.reconnect_at) {
      this.reconnect_at = now + CONNECTIONS_MS
      this.connect()
    }
    this.owed += ((now - this.last) * this.rate) / 1_000
    this.last = now
    while (this.owed >= 1 && this.in_flight.size < IN_FLIGHT_MAX) {
      this.owed -= 1
      const request = this.request().finally(() => this.in_flight.delete(request))
      this.in_flight.add(request)
    }
    const { holder } = this
    if (now > holder.until) {
      holder.until = now + TOKEN_MS
      this.renew(holder).catch((error) => this.failed('token', error))
    }
  }

  async request() {
    try {
      await this.get(this.holder)
      this.counts.passed += 1
    } catch (error) {
      this.failed('request', error)
    }
  }

  async get({ token, dpop }) {
    const ask = () =>
      oauth.protectedResourceRequest(token, 'GET', this.url, new Headers(), null, { ...this.options, DPoP: dpop })
    const response = await again(ask)
    await response.arrayBuffer()
    if (response.status !== 200) throw new Error(`status ${response.status}`)
  }

  failed(doing, error) {
    const status = error?.response?.status ?? error?.status
    if (this.failures.length < 20) this.failures.push({ doing, status, error: String(error?.cause?.message ?? error), at: Date.now() })
    else this.failures.push({ doing })
  }

  /** Registers a next key with a proof of both, and works with it from then on; the old one is watched to its end. */
  async rotate() {
    const old = this.holder
    const pair = await newKey()
    const answer = await this.register(old, pair)
    const next = await this.holderOf(pair)
    await this.renew(next)
    // The old one is good for tokens until its end, too.
    await this.renew(old)
    this.holder = next
    say({ rotated: true, answer })
    this.watch(old, Date.parse(answer.replaces_until))
    return { old, pair }
  }

  /** What the endpoint answers to the old key's holder; asked as often as somebody likes. */
  async register(old, pair) {
    const next_key = await nextKey(pair, { client: this.client.client_id, issuer: this.server.issuer, current: old.thumbprint })
    const body = new URLSearchParams({ next_key })
    const headers = new Headers({ accept: 'application/json' })
    await old.auth(this.server, this.client, body, headers)
    const response = await fetch(this.server.portcullis_key_endpoint, { method: 'POST', body, headers, dispatcher: this.agent })
    const answer = await response.json()
    if (response.status !== 200) throw Object.assign(new Error(JSON.stringify(answer)), { response })
    return answer
  }

  /** Asks with the old key's token over and over, until it is refused. */
  async watch(old, ends_ms) {
    let last_accepted_sent = 0
    for (;;) {
      const sent = Date.now()
      // Tokens don't outlive their key: a fresh one, as long as one can be had.
      try {
        await this.get(old)
        last_accepted_sent = sent
      } catch (error) {
        const refused = Date.now()
        // What is under way at the end of a key is reset: no answer, and no acceptance.
        if (!error.response) continue
        const problem = await error.response.json().catch(() => undefined)
        const token_endpoint = await this.renew(old).then(() => [200], refusal)
        say({ ended: { ends_ms, last_accepted_sent, first_refused: refused, reasons: problem?.reasons, token_endpoint } })
        return
      }
    }
  }

  /** The same request once more, and one with another key: what a lost answer, and what a thief looks like. */
  async replay({ old, pair }) {
    const repeated = await this.register(old, pair).then(
      (answer) => ({ status: 200, answer }),
      (error) => ({ status: error.response?.status ?? 'no answer', error: error.message }),
    )
    say({ repeated })
  }

  async steal({ old }) {
    const stolen = await this.register(old, await newKey()).then(
      (answer) => ({ status: 200, answer }),
      (error) => ({ status: error.response?.status ?? 'no answer', error: error.message }),
    )
    say({ stolen })
  }

  async stop() {
    this.stopping.abort()
    await Promise.all(this.in_flight)
    say({ stopped: true, ...this.counts, failed: this.failures.length, failures: this.failures.slice(0, 20) })
    await this.agent.destroy()
  }
}

/** Asked again once, with the nonce that came: no failure, but how DPoP begins. */
async function again(ask) {
  try {
    return await ask()
  } catch (error) {
    if (!oauth.isDPoPNonceError(error)) throw error
    return ask()
  }
}

/** Status and reasons of what a request was refused with. */
async function refusal(error) {
  const body = error.cause?.reasons ? error.cause : await error.response?.json().catch(() => undefined)
  return [error.status ?? error.response?.status, body?.reasons]
}

async function newKey() {
  const { publicKey, privateKey } = await oauth.generateKeyPair('Ed25519', { extractable: true })
  return withThumbprint(privateKey, await crypto.subtle.exportKey('jwk', publicKey))
}

async function importKey(jwk) {
  const { d: _, ...open } = jwk
  return withThumbprint(await crypto.subtle.importKey('jwk', jwk, 'Ed25519', false, ['sign']), open)
}

/** RFC 7638. */
async function withThumbprint(key, { crv, kty, x }) {
  const digest = await crypto.subtle.digest('SHA-256', Buffer.from(JSON.stringify({ crv, kty, x })))
  return { key, jwk: { crv, kty, x }, thumbprint: Buffer.from(digest).toString('base64url') }
}

/** Signed by the next key: that whoever registers it holds it. */
async function nextKey({ key, jwk }, { client, issuer, current }) {
  const now = Math.floor(Date.now() / 1_000)
  const header = { typ: 'portcullis-next-key+jwt', alg: 'EdDSA', jwk }
  const claims = { iss: client, sub: client, aud: issuer, iat: now, exp: now + 60, jti: randomUUID(), cur: current }
  const text = `${encode(header)}.${encode(claims)}`
  const signature = await crypto.subtle.sign('Ed25519', key, Buffer.from(text))
  return `${text}.${Buffer.from(signature).toString('base64url')}`
}

let worker
let rotated
for await (const line of createInterface({ input: process.stdin })) {
  const command = JSON.parse(line)
  try {
    if (command.start) {
      const ca = await readFile(command.start.ca, 'utf8')
      worker = new Worker({ ...command.start, ca })
      await worker.start()
    } else if (command.rotate) rotated = await worker.rotate()
    else if (command.replay) await worker.replay(rotated)
    else if (command.steal) await worker.steal(rotated)
    else if (command.stop) {
      await worker.stop()
      break
    }
  } catch (error) {
    say({ broken: `${error.stack}`, response: await error.response?.text?.().catch(() => undefined) })
  }
}
// Whoever gave the commands has gone.
process.exit(0)
