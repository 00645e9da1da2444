// OAuth clients that others wrote, unmodified, against a running installation:
// `PORTCULLIS_BIN=target/debug/portcullis node --test run.mjs`, or `make test-clients`.

import assert from 'node:assert/strict'
import { test } from 'node:test'
import * as oauth from 'oauth4webapi'

import { authority, selfSigned } from './certificates.mjs'
import { PARCELS, install } from './installation.mjs'
import { Machine, refusal } from './machine.mjs'

test('discovery names everything by the rules of RFC 8414', async (t) => {
  const installation = await install(t)
  const server = await new Machine(t, installation, 'nobody', {}).discover()
  assert.equal(server.issuer, installation.endpoints.issuer)
  assert.equal(new URL(server.issuer).origin, new URL(installation.endpoints.gate).origin)
  for (const endpoint of ['token', 'introspection', 'revocation'].map((name) => `${name}_endpoint`)) {
    assert.equal(new URL(server[endpoint]).origin, new URL(server.issuer).origin, endpoint)
    assert.equal(server.mtls_endpoint_aliases[endpoint], server[endpoint], endpoint)
  }
  assert.deepEqual([...server.token_endpoint_auth_methods_supported].sort(), [
    'private_key_jwt',
    'self_signed_tls_client_auth',
    'tls_client_auth',
  ])
  assert.ok(server.grant_types_supported.includes('client_credentials'))
  assert.ok(['ES256', 'EdDSA'].every((alg) => server.dpop_signing_alg_values_supported.includes(alg)))
  assert.equal(server.tls_client_certificate_bound_access_tokens, true)
})

for (const alg of ['ES256', 'EdDSA']) {
  test(`private_key_jwt with DPoP by ${alg}`, async (t) => {
    const { installation, machine, dpop } = await withKey(t, alg)
    const token = await machine.token()
    assert.equal(token.token_type, 'dpop')
    assert.equal(token.scope ?? 'parcels.read', 'parcels.read')
    // Asked twice: first without a nonce, then with the one that the gate gave.
    assert.equal(machine.sent.filter(({ url }) => url === machine.server.token_endpoint).length, 2)
    await passes(machine, token)
    await passes(machine, token)
    const { headers } = installation.upstream.requests.at(-1)
    assert.equal(headers.authorization, undefined)
    assert.equal(headers.dpop, undefined)
    assert.ok(headers['portcullis-client'])
    const introspected = await machine.introspect(token.access_token)
    assert.equal(introspected.active, true)
    assert.equal(introspected.cnf.jkt, await oauth.DPoP({}, dpop).calculateThumbprint())
  })
}

test('a token is signed by a key of the published set', async (t) => {
  const { installation, machine } = await withKey(t)
  const token = await machine.token()
  await passes(machine, token)
  const request = new Request(new URL('/parcels', installation.endpoints.gate), {
    headers: await proofHeaders(machine, token),
  })
  const audience = JSON.parse(Buffer.from(token.access_token.split('.')[1], 'base64url')).aud
  const claims = await oauth.validateJwtAccessToken(machine.server, request, [audience].flat()[0], machine.options)
  assert.equal(claims.iss, machine.server.issuer)
  assert.equal(claims.client_id, machine.client.client_id)
})

test('tls_client_auth with a certificate of the vendor\'s authority', async (t) => {
  const { machine } = await withSubject(t)
  const token = await machine.token()
  assert.equal(token.token_type, 'bearer')
  await passes(machine, token)
})

test('tls_client_auth takes only the subject that was registered', async (t) => {
  const { installation, vendor } = await withSubject(t)
  const impostor = await vendor.issue('impostor', 'impostor.quillmere.example')
  const machine = new Machine(t, installation, 'quillmere-pki', { auth: oauth.TlsClientAuth(), certificate: impostor })
  await assert.rejects(machine.token(), unauthorizedClient)
})

test('tls_client_auth takes only the authority that was registered', async (t) => {
  const { installation } = await withSubject(t)
  const other = await (await authority('Another CA')).issue('gateway', 'gateway.quillmere.example')
  const machine = new Machine(t, installation, 'quillmere-pki', { auth: oauth.TlsClientAuth(), certificate: other })
  await assert.rejects(machine.token(), unauthorizedClient)
})

test('self_signed_tls_client_auth', async (t) => {
  const { machine } = await withSelfSigned(t)
  const token = await machine.token()
  assert.equal(token.token_type, 'bearer')
  await passes(machine, token)
  const introspected = await machine.introspect(token.access_token)
  assert.equal(introspected.active, true)
  assert.ok(introspected.cnf['x5t#S256'])
})

test('private_key_jwt over mutual TLS without DPoP', async (t) => {
  const certificate = await selfSigned('quillmere-keys')
  const { machine } = await withKey(t, 'ES256', { certificate, dpop: null })
  const token = await machine.token()
  assert.equal(token.token_type, 'bearer')
  await passes(machine, token)
  assert.ok((await machine.introspect(token.access_token)).cnf['x5t#S256'])
})

test('a revoked token passes no more', async (t) => {
  const { machine } = await withKey(t)
  const token = await machine.token()
  await passes(machine, token)
  await machine.revoke(token.access_token)
  assert.equal((await machine.introspect(token.access_token)).active, false)
  refused(await refusal(machine.parcels(token.access_token)), 'invalid_token', 'token_revoked')
  await passes(machine, await machine.token())
})

test('another client learns nothing of a token and can\'t revoke it', async (t) => {
  const { installation, machine } = await withKey(t)
  const token = await machine.token()
  const other = await enrolled(t, installation, 'quillmere-other', 'ES256')
  await other.machine.token()
  assert.deepEqual(await other.machine.introspect(token.access_token), { active: false })
  await other.machine.revoke(token.access_token).catch(() => {})
  await passes(machine, token)
})

test('an assertion by another key is no client authentication', async (t) => {
  const { installation, dpop } = await withKey(t)
  const stranger = await oauth.generateKeyPair('ES256')
  const auth = oauth.PrivateKeyJwt(stranger.privateKey)
  await assert.rejects(new Machine(t, installation, 'quillmere-keys', { auth, dpop }).token(), unauthorizedClient)
})

test('a token without its proof is refused', async (t) => {
  const { machine, thief, token } = await withThief(t)
  await machine.discover()
  for (const scheme of ['DPoP', 'Bearer']) {
    const { status, challenges, problem } = await plain(thief, { authorization: `${scheme} ${token.access_token}` })
    assert.equal(status, 401)
    assert.match(challenges, /^DPoP /)
    assert.match(challenges, /algs="[^"]*ES256[^"]*"/)
    assert.match(challenges, scheme === 'DPoP' ? /error="invalid_dpop_proof"/ : /error="invalid_token"/)
    assert.deepEqual(problem.reasons, ['proof_missing'])
  }
})

test('without a token the challenge names no error', async (t) => {
  const { thief } = await withThief(t)
  const { status, challenges, problem } = await plain(thief, {})
  assert.equal(status, 401)
  assert.match(challenges, /^DPoP /)
  assert.doesNotMatch(challenges, /error=/)
  assert.deepEqual(problem.reasons, ['token_missing'])
})

test('a proof by another key is refused, and harms nobody', async (t) => {
  const { machine, thief, token } = await withThief(t)
  const own = oauth.DPoP({}, await oauth.generateKeyPair('ES256', { extractable: true }))
  refused(await refusal(thief.parcels(token.access_token, own)), 'invalid_token', 'proof_key')
  await passes(machine, token)
})

test('a proof is good once', async (t) => {
  const { machine, thief, token } = await withThief(t)
  await passes(machine, token)
  const { headers } = machine.sent.at(-1).options
  const { status, challenges, nonce, problem } = await plain(thief, headers)
  assert.equal(status, 401)
  assert.match(challenges, /^DPoP .*error="use_dpop_nonce"/)
  assert.ok(nonce, 'a new nonce comes with the refusal')
  assert.deepEqual(problem.reasons, ['proof_replayed'])
  await passes(machine, token)
})

test('a proof for another address, method or token is refused', async (t) => {
  const { installation, dpop, machine, token } = await withThief(t)
  const second = await machine.token()
  for (const [claim, value, reason] of [
    ['htu', new URL('/parcels/1', installation.endpoints.gate).href, 'proof_url'],
    ['htu', 'https://gate.example/parcels', 'proof_url'],
    ['htm', 'POST', 'proof_method'],
    ['ath', await hash(second.access_token), 'proof_token_hash'],
    ['iat', Math.floor(Date.now() / 1000) - 3_600, 'proof_time'],
  ]) {
    const bent = oauth.DPoP({}, dpop, { [oauth.modifyAssertion]: (_, payload) => (payload[claim] = value) })
    refused(await refusal(machine.parcels(token.access_token, bent)), 'invalid_dpop_proof', reason)
  }
  await passes(machine, token)
})

test('a nonce of another gate is refused', async (t) => {
  const { dpop, machine, token } = await withThief(t)
  const elsewhere = new Machine(t, await install(t), 'quillmere-keys', { auth: machine.auth, dpop })
  await elsewhere.discover()
  const foreign = (await elsewhere.tokenResponse()).headers.get('dpop-nonce')
  assert.ok(foreign)
  const nonces = [foreign, 'AAAA', undefined].map((nonce) => (_, payload) => (payload.nonce = nonce))
  for (const bend of nonces) {
    const bent = oauth.DPoP({}, dpop, { [oauth.modifyAssertion]: bend })
    refused(await refusal(machine.ask(token.access_token, bent)), 'use_dpop_nonce', 'proof_nonce')
  }
  await passes(machine, token)
})

test('nothing replays over a restart, and the token stays good', async (t) => {
  const { installation, machine, token } = await withThief(t)
  await passes(machine, token)
  const { headers } = machine.sent.at(-1).options
  await installation.restart()
  const { status, challenges, problem } = await plain(machine, headers)
  assert.equal(status, 401)
  assert.match(challenges, /error="use_dpop_nonce"/)
  assert.deepEqual(problem.reasons, ['proof_nonce'])
  await passes(machine, token)
})

test('a certificate-bound token without the certificate is refused', async (t) => {
  const { installation, machine } = await withSelfSigned(t)
  const token = await machine.token()
  const thief = new Machine(t, installation, 'quillmere-cert', {})
  const found = await refusal(thief.ask(token.access_token))
  refused(found, 'invalid_token', 'certificate_missing')
  assert.ok(found.schemes.includes('bearer'), 'the challenge names the scheme that would do')
  await passes(machine, token)
})

test('a certificate-bound token with another certificate is refused', async (t) => {
  const { installation, machine } = await withSelfSigned(t)
  const token = await machine.token()
  const certificate = await selfSigned('quillmere-cert')
  const thief = new Machine(t, installation, 'quillmere-cert', { certificate })
  refused(await refusal(thief.ask(token.access_token)), 'invalid_token', 'certificate_wrong')
  await passes(machine, token)
})

test('a severed client gets no token and no answer', async (t) => {
  const { installation, machine } = await withKey(t)
  const token = await machine.token()
  await passes(machine, token)
  await installation.command('sever', 'client/quillmere-keys', '--reason', 'its key was seen elsewhere')
  const { status, problem } = await afterReset(async () => plain(machine, await proofHeaders(machine, token)))
  assert.ok([401, 403].includes(status), `${status}`)
  assert.ok(problem.reasons.some((reason) => /_severed$|^token_superseded$/.test(reason)), `${problem.reasons}`)
  const wrong = (error) => [400, 401, 403].includes(error.status)
  await assert.rejects(afterReset(() => machine.token()), wrong)
})

/** Severing resets what stands: a kept connection may be found dead by the request that uses it. */
async function afterReset(request) {
  for (let connections = 4; connections > 0; connections--) {
    try {
      return await request()
    } catch (error) {
      if (error.cause?.code !== 'ECONNRESET') throw error
    }
  }
  throw new Error('every connection was reset')
}

// What several tests begin with.

async function withKey(t, alg = 'ES256', more = {}) {
  const installation = await install(t)
  return { installation, ...(await enrolled(t, installation, 'quillmere-keys', alg, more)) }
}

async function enrolled(t, installation, name, alg, { certificate, dpop: given } = {}) {
  const pair = await oauth.generateKeyPair(alg, { extractable: true })
  const jwk = await crypto.subtle.exportKey('jwk', pair.publicKey)
  await installation.enrollKey(name, { ...bare(jwk), kid: 'one' })
  const auth = oauth.PrivateKeyJwt({ key: pair.privateKey, kid: 'one' })
  const dpop = given === null ? undefined : await oauth.generateKeyPair(alg, { extractable: true })
  return { machine: new Machine(t, installation, name, { auth, certificate, dpop }), dpop }
}

/** Somebody who has the token and the machine's traffic, and none of its keys. */
async function withThief(t) {
  const { installation, machine, dpop } = await withKey(t)
  const token = await machine.token()
  const thief = new Machine(t, installation, 'quillmere-keys', {})
  return { installation, machine, dpop, thief, token }
}

async function withSelfSigned(t) {
  const installation = await install(t)
  const certificate = await selfSigned('quillmere-cert')
  await installation.enrollCertificate('quillmere-cert', certificate.cert)
  const machine = new Machine(t, installation, 'quillmere-cert', { auth: oauth.TlsClientAuth(), certificate })
  return { installation, machine }
}

async function withSubject(t) {
  const installation = await install(t)
  const vendor = await authority('Quillmere CA')
  const subject = { certificate_authority: vendor.cert, san_dns: 'gateway.quillmere.example' }
  await installation.declareClient('quillmere-pki', { subject })
  const certificate = await vendor.issue('gateway', 'gateway.quillmere.example')
  const machine = new Machine(t, installation, 'quillmere-pki', { auth: oauth.TlsClientAuth(), certificate })
  return { installation, vendor, machine }
}

// What several tests end with.

async function passes(machine, token) {
  const response = await machine.parcels(token.access_token)
  assert.equal(response.status, 200)
  assert.ok(response.headers.get('portcullis-decision'))
  assert.deepEqual(await response.json(), { parcels: PARCELS })
}

function refused({ status, challenge, schemes, nonce, decision, type, problem }, error, reason) {
  assert.equal(status, 401)
  assert.equal(challenge.parameters.error, error)
  assert.deepEqual(problem.reasons, [reason])
  assert.equal(type.split(';')[0], 'application/problem+json')
  assert.ok(decision, 'every answer carries its decision')
  assert.ok(problem.instance.endsWith(decision), `${problem.instance} is the decision`)
  if (schemes.includes('dpop') && error !== 'invalid_token') {
    assert.match(challenge.parameters.algs, /ES256/)
    assert.match(challenge.parameters.algs, /EdDSA/)
  }
  if (error === 'use_dpop_nonce') assert.ok(nonce)
}

function unauthorizedClient(error) {
  return error.error === 'invalid_client' && [400, 401].includes(error.status)
}

/** A request that no OAuth library would send. */
async function plain(machine, headers) {
  const url = new URL('/parcels', machine.installation.endpoints.gate).href
  const response = await machine.fetch(url, { method: 'GET', headers })
  return {
    status: response.status,
    challenges: response.headers.get('www-authenticate'),
    nonce: response.headers.get('dpop-nonce'),
    problem: await response.json(),
  }
}

/** The headers of the machine's next request, not sent: it must have passed before, and so have a nonce. */
async function proofHeaders(machine, token) {
  const url = new URL('/parcels', machine.installation.endpoints.gate)
  let headers
  const held = { [oauth.customFetch]: async (_, options) => ((headers = options.headers), new Response()), DPoP: machine.dpop }
  await oauth.protectedResourceRequest(token.access_token, 'GET', url, new Headers(), null, held)
  return headers
}

async function hash(text) {
  return Buffer.from(await crypto.subtle.digest('SHA-256', Buffer.from(text))).toString('base64url')
}

/** The key alone, without what WebCrypto adds. */
function bare({ kty, crv, x, y }) {
  return { kty, crv, x, y }
}
