// Four requests with a token that is bound to nothing, of which the second is asked for a new one (RFC 9470).
import * as oauth from 'oauth4webapi'
import * as client from 'openid-client'
const [lib, base, name] = process.argv.slice(2)
const url = new URL('/parcels', base)
let ask
if (lib === 'oauth4webapi') {
  const plain = { [oauth.allowInsecureRequests]: true }
  const c = { client_id: name }
  const as = await oauth.processDiscoveryResponse(new URL(base), await oauth.discoveryRequest(new URL(base), { algorithm: 'oauth2', ...plain }))
  const got = await oauth.clientCredentialsGrantRequest(as, c, oauth.ClientSecretPost('x'), new URLSearchParams(), plain)
  const { access_token: token } = await oauth.processClientCredentialsResponse(as, c, got)
  ask = () => oauth.protectedResourceRequest(token, 'GET', url, new Headers(), null, plain)
} else {
  const config = await client.discovery(new URL(base), name, undefined, client.ClientSecretPost('x'), { algorithm: 'oauth2', execute: [client.allowInsecureRequests] })
  const { access_token: token } = await client.clientCredentialsGrant(config)
  ask = () => client.fetchProtectedResource(config, token, url, 'GET')
}
for (let i = 0; i < 4; i++) {
  try { console.log((await ask()).status) } catch (e) { console.log(`${e.constructor.name}:${e.code ?? ''}:${JSON.stringify(e.cause?.[0]?.parameters ?? '')}`.replaceAll(' ', '_')) }
}
