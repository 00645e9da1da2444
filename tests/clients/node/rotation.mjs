// A client that is enrolled by a link and replaces its key while many requests go on: oauth4webapi, unmodified.

import assert from 'node:assert/strict'
import { test } from 'node:test'
import { setTimeout as pause } from 'node:timers/promises'
import * as oauth from 'oauth4webapi'

import { install } from './installation.mjs'
import { Machine, refusal } from './machine.mjs'

const OVERLAP_SECONDS = 4
const CALLERS = 8

for (const alg of ['ES256', 'EdDSA']) {
  test(`a key is replaced under load, and the old one is refused at its second, by ${alg}`, async (t) => {
    const installation = await install(t)
    await shorten(installation)
    const [old, next] = [await pair(alg), await pair(alg)]
    const { server, code } = await opened(t, installation, 'quillmere-1')
    const proof = await keyProof(server, 'quillmere-1', next, old.thumbprint)
    // Enrolled by the link, with a key that never left the machine.
    const enrolled = await register(t, installation, server.portcullis_enrolment_endpoint, {
      client_id: 'quillmere-1', code, proof: await keyProof(server, 'quillmere-1', old),
    })
    assert.equal(enrolled.status, 200, JSON.stringify(enrolled.body))
    assert.equal(enrolled.body.key, old.thumbprint)
    const before = await machine(t, installation, 'quillmere-1', old)
    const token = await before.token()

    let current = { machine: before, token }
    let [passed, failed, stop] = [0, [], false]
    const callers = Array.from({ length: CALLERS }, async () => {
      while (!stop) {
        const { machine, token } = current
        const response = await machine.parcels(token.access_token).catch((error) => error)
        if (response.status === 200) passed += 1
        else failed.push(response)
        await response.arrayBuffer?.()
      }
    })
    await until(() => passed > 50)
    const rotated = await rotate(before, proof)
    assert.equal(rotated.status, 200, JSON.stringify(rotated.body))
    assert.equal(rotated.body.key, next.thumbprint)
    const ends = Date.parse(rotated.body.replaces_until)
    // The answer was lost: the same is asked again, and answered alike.
    assert.deepEqual((await rotate(before, proof)).body, rotated.body)
    const after = await machine(t, installation, 'quillmere-1', next)
    const nextToken = await after.token()
    // Both are good, at the token endpoint and at the gate.
    assert.ok((await before.token()).access_token)
    assert.equal((await before.parcels(token.access_token)).status, 200)
    current = { machine: after, token: nextToken }
    const seen = passed
    await until(() => passed > seen + 50)
    assert.ok(Date.now() < ends, 'the overlap was long enough for the test')
    await until(() => Date.now() >= ends)
    const late = await refusal(before.parcels(token.access_token))
    assert.equal(late.status, 401)
    assert.deepEqual(late.problem.reasons, ['client_key_ended'])
    await assert.rejects(before.token(), (error) => error.error === 'invalid_client')
    stop = true
    await Promise.all(callers)
    assert.deepEqual(failed, [], `${failed.length} of ${passed + failed.length} failed`)
    t.diagnostic(`${passed} requests passed through the rotation, 0 failed`)
  })
}

test('a link that was used and a replaced key that registers another are told as theft', async (t) => {
  const installation = await install(t)
  const [key, thief] = [await pair('ES256'), await pair('ES256')]
  const { server, code } = await opened(t, installation, 'quillmere-1')
  const use = async (who) =>
    register(t, installation, server.portcullis_enrolment_endpoint, {
      client_id: 'quillmere-1', code, proof: await keyProof(server, 'quillmere-1', who),
    })
  assert.equal((await use(key)).status, 200)
  assert.equal((await use(key)).status, 200, 'the answer was lost')
  assert.deepEqual((await use(thief)).body.reasons, ['enrolment_reused'])
  assert.match(await findings(installation), /enrolment_reused/)

  const mine = await machine(t, installation, 'quillmere-1', key)
  const next = await pair('ES256')
  const token = await mine.token()
  assert.equal((await rotate(mine, await keyProof(server, 'quillmere-1', next, key.thumbprint))).status, 200)
  const caught = await rotate(mine, await keyProof(server, 'quillmere-1', thief, key.thumbprint))
  assert.deepEqual(caught.body.reasons, ['client_key_theft', 'client_severed'])
  await assert.rejects((await machine(t, installation, 'quillmere-1', next)).token())
  // The connection was reset when the client was closed.
  const again = await machine(t, installation, 'quillmere-1', key)
  const refused = await again.parcels(token.access_token).catch((error) => error)
  assert.equal(refused.status, 403)
  assert.match(await findings(installation), /client_key_theft/)
})

async function shorten(installation) {
  const spec = {
    contract: 'quillmere-2026', purpose: 'Reads where parcels are', routes: ['parcels'], scopes: ['parcels.read'],
    keys: { overlap_seconds: OVERLAP_SECONDS },
    limits: { requests: { per_second: 100_000, burst: 100_000 }, records: { per_client: 1_000_000, per_integration: 1_000_000 } },
  }
  const manifest = { kind: 'Integration', name: 'quillmere-parcels', spec }
  await installation.command('apply', '-f', await installation.file('feed.json', JSON.stringify(manifest)))
}

/** An enrolment by a link, and the server's metadata. */
async function opened(t, installation, name) {
  const link = await installation.command('client', 'enroll', name, '--integration', 'quillmere-parcels', '--link')
  const [address, fragment] = link.trim().split('#')
  const server = await new Machine(t, installation, name, {}).discover()
  assert.equal(address, server.portcullis_enrolment_endpoint)
  const [client, code] = fragment.split('.')
  assert.equal(client, name)
  return { server, code }
}

async function findings(installation) {
  // It ends with 1 where something is pressing.
  return installation.command('findings', '-o', 'json').catch((error) => error.stdout)
}

async function pair(alg) {
  const keys = await oauth.generateKeyPair(alg, { extractable: true })
  const { kty, crv, x, y } = await crypto.subtle.exportKey('jwk', keys.publicKey)
  const jwk = y ? { crv, kty, x, y } : { crv, kty, x }
  const digest = await crypto.subtle.digest('SHA-256', Buffer.from(JSON.stringify(jwk)))
  return { ...keys, alg, jwk, thumbprint: Buffer.from(digest).toString('base64url') }
}

async function machine(t, installation, name, keys) {
  const made = new Machine(t, installation, name, { auth: oauth.PrivateKeyJwt(keys.privateKey), dpop: keys })
  await made.discover()
  return made
}

/** The proof of a key that is to be registered, as `docs/reference/clients.md` says. */
async function keyProof(server, client, keys, current) {
  const now = Math.floor(Date.now() / 1000)
  const header = { alg: keys.alg, typ: 'portcullis-next-key+jwt', jwk: keys.jwk }
  const claims = { iss: client, sub: client, aud: server.issuer, iat: now, exp: now + 60, jti: crypto.randomUUID(), cur: current }
  const encode = (part) => Buffer.from(JSON.stringify(part)).toString('base64url')
  const input = `${encode(header)}.${encode(claims)}`
  const algorithm = keys.alg === 'ES256' ? { name: 'ECDSA', hash: 'SHA-256' } : { name: 'Ed25519' }
  const signature = await crypto.subtle.sign(algorithm, keys.privateKey, Buffer.from(input))
  return `${input}.${Buffer.from(signature).toString('base64url')}`
}

/** The library's own client authentication, with the proof beside it. */
async function rotate(machine, proof) {
  const [body, headers] = [new URLSearchParams({ next_key: proof }), new Headers()]
  await machine.auth(machine.server, machine.client, body, headers)
  return answered(await machine.fetch(machine.server.portcullis_key_endpoint, { method: 'POST', headers, body: form(body) }))
}

async function register(t, installation, endpoint, parameters) {
  const stranger = new Machine(t, installation, 'nobody', {})
  return answered(await stranger.fetch(endpoint, { method: 'POST', body: form(new URLSearchParams(parameters)) }))
}

/** Of this package's own class: undici takes no other for a form. */
function form(parameters) {
  return new URLSearchParams(parameters)
}

async function answered(response) {
  return { status: response.status, body: await response.json() }
}

async function until(holds) {
  const late = AbortSignal.timeout(30_000)
  while (!holds()) {
    late.throwIfAborted()
    await pause(5)
  }
}
