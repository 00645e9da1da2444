// Two requests on connections of their own, with the sessions of one agent: `node client.mjs URL AUTHORITY`.
import { readFileSync } from 'node:fs'
import https from 'node:https'

const [url, authority] = process.argv.slice(2)
const agent = new https.Agent({ ca: readFileSync(authority), keepAlive: false })

const ask = () =>
  new Promise((resolve, reject) => {
    const request = https.get(url, { agent }, (answer) => {
      const said = { decision: answer.headers['portcullis-decision'], resumed: answer.socket.isSessionReused() }
      answer.resume()
      answer.socket.on('close', () => resolve(said))
    })
    request.on('error', reject)
  })

for (let count = 0; count < 2; count += 1) {
  console.log(JSON.stringify(await ask()))
}
