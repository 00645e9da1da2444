import { readFileSync } from 'node:fs'
import { Agent, fetch } from 'undici'
const [url, ca, cert, key, token] = process.argv.slice(2)
for (const allowH2 of [false, true]) {
  const dispatcher = new Agent({ allowH2, connect: { ca: readFileSync(ca), cert: readFileSync(cert), key: readFileSync(key) }, keepAliveTimeout: 60000 })
  for (const wait of [0, 11, 0]) {
    await new Promise((r) => setTimeout(r, wait * 1000))
    try {
      const r = await fetch(url, { dispatcher, headers: { authorization: `Bearer ${token}` } })
      const body = await r.text()
      console.log(allowH2 ? 'h2' : 'h1', r.status, r.status === 200 ? '-' : JSON.parse(body).reasons[0])
    } catch (e) { console.log(allowH2 ? 'h2' : 'h1', 'error', String(e), String(e.cause)) }
  }
  dispatcher.destroy()
}
