import { readFileSync } from 'node:fs'
import * as oauth from 'oauth4webapi'
import * as client from 'openid-client'
import { Agent, fetch } from 'undici'
const [lib, issuer, gate, ca, jwkFile, name] = process.argv.slice(2)
const jwk = JSON.parse(readFileSync(jwkFile))
delete jwk.key_ops
const key = await crypto.subtle.importKey('jwk', jwk, { name: 'ECDSA', namedCurve: 'P-256' }, false, ['sign'])
const pair = await crypto.subtle.generateKey({ name: 'ECDSA', namedCurve: 'P-256' }, true, ['sign', 'verify'])
let wire = []
const maker = (localAddress) => { const dispatcher = new Agent({ localAddress, connect: { ca: readFileSync(ca) } }); return async (u, o) => { const r = await fetch(u, { ...o, dispatcher }); const j = r.status === 200 ? '' : (await r.clone().text()); wire.push(r.status + (j ? ' ' + ((() => { try { const p = JSON.parse(j); return p.reasons?.[0] ?? p.error } catch { return '' } })()) : '')); return r } }
const home = maker('127.0.0.1'), away = maker('127.0.9.1')
const show = (what, outcome) => { console.log(what, outcome, JSON.stringify(wire)); wire = [] }
const tryIt = async (what, f) => { try { const r = await f(); show(what, r?.status ?? 'ok') } catch (e) { show(what, (e.code ?? e.name) + (oauth.isDPoPNonceError(e) ? ' isDPoPNonceError' : '')) } }
const url = (p) => new URL(p, gate)
if (lib === 'oauth4webapi') {
  const c = { client_id: name }, dpop = oauth.DPoP(c, pair), o = (f) => ({ [oauth.customFetch]: f, DPoP: dpop })
  const as = await oauth.processDiscoveryResponse(new URL(issuer), await oauth.discoveryRequest(new URL(issuer), { algorithm: 'oauth2', [oauth.customFetch]: home })); wire = []
  const auth = oauth.PrivateKeyJwt(key)
  let token
  const get = async () => { const r = await oauth.clientCredentialsGrantRequest(as, c, auth, new URLSearchParams({ scope: 'parcels.read' }), o(home)); token = (await oauth.processClientCredentialsResponse(as, c, r)).access_token; return { status: 200 } }
  await tryIt('token', get); if (!token) await tryIt('token again', get)
  const ask = (p, f) => oauth.protectedResourceRequest(token, 'GET', url(p), new Headers(), null, o(f))
  for (const [w, p, f] of [['home', '/parcels', home], ['home', '/parcels', home], ['away', '/parcels', away], ['away', '/parcels', away], ['away', '/parcels', away], ['critical', '/critical', home], ['critical', '/critical', home], ['critical', '/critical', home]]) await tryIt(w, () => ask(p, f))
} else {
  const config = await client.discovery(new URL(issuer), name, undefined, client.PrivateKeyJwt(key), { algorithm: 'oauth2', [client.customFetch]: home }); wire = []
  const DPoP = client.getDPoPHandle(config, pair)
  config[client.customFetch] = home
  const token = await client.clientCredentialsGrant(config, { scope: 'parcels.read' }, { DPoP }); show('token', 'ok')
  for (const [w, p, f] of [['home', '/parcels', home], ['home', '/parcels', home], ['away', '/parcels', away], ['away', '/parcels', away], ['critical', '/critical', home], ['critical', '/critical', home]]) { config[client.customFetch] = f; await tryIt(w, () => client.fetchProtectedResource(config, token.access_token, url(p), 'GET', undefined, undefined, { DPoP })) }
}
