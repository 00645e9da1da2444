// A vendor's machine: oauth4webapi over undici, as its documentation shows them together.

import * as oauth from 'oauth4webapi'
import { Agent, fetch } from 'undici'

/** How one machine talks to one installation: its own connections, and its certificate if it has one. */
export class Machine {
  /** `auth` is a client authentication of oauth4webapi; `certificate` is `{ key, cert }`. */
  constructor(t, installation, name, { auth, certificate, dpop }) {
    this.installation = installation
    this.client = { client_id: name, ...(certificate ? { use_mtls_endpoint_aliases: true } : {}) }
    this.auth = auth
    this.dpop = dpop && oauth.DPoP(this.client, dpop)
    this.agent = new Agent({ connect: { ca: installation.authority, ...certificate } })
    t.after(() => this.agent.destroy())
    /** Every request that left, as it left, for tests that send one again. */
    this.sent = []
  }

  get options() {
    return { [oauth.customFetch]: (url, options) => this.fetch(url, options) }
  }

  async fetch(url, options) {
    this.sent.push({ url, options })
    return fetch(url, { ...options, dispatcher: this.agent })
  }

  async discover() {
    const issuer = new URL(this.installation.endpoints.issuer)
    const response = await oauth.discoveryRequest(issuer, { algorithm: 'oauth2', ...this.options })
    this.server = await oauth.processDiscoveryResponse(issuer, response)
    return this.server
  }

  /** A token by the client credentials grant, asked again once with the nonce that the server gave. */
  async token() {
    await this.discover()
    const ask = async () => oauth.processClientCredentialsResponse(this.server, this.client, await this.tokenResponse())
    return ask().catch((error) => again(error, ask))
  }

  /** What the token endpoint answers, asked once. */
  async tokenResponse() {
    const options = { ...this.options, DPoP: this.dpop }
    const wish = new URLSearchParams({ scope: 'parcels.read' })
    return oauth.clientCredentialsGrantRequest(this.server, this.client, this.auth, wish, options)
  }

  /** GET /parcels through the gate, asked again once with the nonce that the gate gave. */
  async parcels(token, dpop = this.dpop) {
    const ask = () => this.ask(token, dpop)
    return ask().catch((error) => again(error, ask))
  }

  /** GET /parcels, asked once. */
  async ask(token, dpop = this.dpop) {
    const url = new URL('/parcels', this.installation.endpoints.gate)
    const options = { ...this.options, DPoP: dpop }
    return oauth.protectedResourceRequest(token, 'GET', url, new Headers(), null, options)
  }

  async introspect(token) {
    const response = await oauth.introspectionRequest(this.server, this.client, this.auth, token, this.options)
    return oauth.processIntrospectionResponse(this.server, this.client, response)
  }

  async revoke(token) {
    const response = await oauth.revocationRequest(this.server, this.client, this.auth, token, this.options)
    return oauth.processRevocationResponse(response)
  }
}

async function again(error, ask) {
  if (!oauth.isDPoPNonceError(error)) throw error
  return ask()
}

/** The refusal that `asking` runs into: status, the first challenge, the reasons of the problem document. */
export async function refusal(asking) {
  const response = await asking.then(
    (response) => {
      throw new Error(`it passed with ${response.status}`)
    },
    (error) => {
      if (error instanceof oauth.WWWAuthenticateChallengeError) return error
      throw error
    },
  )
  const problem = await response.response.json()
  return {
    status: response.status,
    challenge: response.cause[0],
    schemes: response.cause.map((challenge) => challenge.scheme),
    nonce: response.response.headers.get('dpop-nonce'),
    decision: response.response.headers.get('portcullis-decision'),
    type: response.response.headers.get('content-type'),
    problem,
  }
}
