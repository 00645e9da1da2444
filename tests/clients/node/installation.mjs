// One running installation for one test: `portcullis up` in a folder of its own, and the upstream behind it.

import { execFile, spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises'
import http from 'node:http'
import { tmpdir } from 'node:os'
import path from 'node:path'
import { createInterface } from 'node:readline'
import { promisify } from 'node:util'

const run = promisify(execFile)
const START_MS_MAX = 60_000

export const PARCELS = [
  { id: 'p-1', status: 'sorted' },
  { id: 'p-2', status: 'delivered' },
  { id: 'p-3', status: 'lost' },
]

/** Starts everything; `t` ends it with the test. */
export async function install(t) {
  const binary = process.env.PORTCULLIS_BIN
  if (!binary) throw new Error('PORTCULLIS_BIN is not set\nhint: run `make test-clients`')
  const folder = await mkdtemp(path.join(tmpdir(), 'portcullis-clients-'))
  const installation = new Installation(path.resolve(binary), folder, await startUpstream())
  t.after(() => installation.end())
  await installation.file('manifests.yaml', manifests(installation.upstream.port))
  await installation.start(['--listen-gate', '127.0.0.1:0', '-f', path.join(folder, 'manifests.yaml')])
  return installation
}

class Installation {
  constructor(binary, folder, upstream) {
    Object.assign(this, { binary, folder, upstream, data: path.join(folder, 'data'), log: [] })
  }

  /** Waits for the lines that `up` prints when it is ready; endpoints.json is there before them. */
  async start(more) {
    const flags = ['up', '--dir', this.data, '--listen-control', '127.0.0.1:0', '--stops', 'observe', ...more]
    this.process = spawn(this.binary, flags, { stdio: ['ignore', 'pipe', 'pipe'], env: environment() })
    this.exited = once(this.process, 'exit')
    const late = AbortSignal.timeout(START_MS_MAX)
    late.addEventListener('abort', () => this.process.kill('SIGKILL'), { once: true })
    createInterface({ input: this.process.stderr }).on('line', (line) => this.log.push(line))
    const lines = createInterface({ input: this.process.stdout })
    this.endpoints = await new Promise((resolve, reject) => {
      lines.on('line', async (line) => {
        this.log.push(line)
        const endpoints = await this.readEndpoints()
        if (endpoints) resolve(endpoints)
      })
      this.exited.then(([code]) => reject(new Error(`\`up\` ended with ${code}:\n${this.log.join('\n')}`)))
    })
    this.authority = await readFile(this.endpoints.ca, 'utf8')
  }

  async readEndpoints() {
    const text = await readFile(path.join(this.data, 'endpoints.json'), 'utf8').catch(() => '')
    const endpoints = text && JSON.parse(text)
    // An earlier process may have left its file behind.
    return endpoints?.pid === this.process.pid ? endpoints : undefined
  }

  /** Stops and starts again on the same folder and the gate's same address. */
  async restart() {
    const { host } = new URL(this.endpoints.gate)
    await this.stop()
    await this.start(['--listen-gate', host])
  }

  async stop() {
    this.process.kill('SIGTERM')
    await this.exited
  }

  async end() {
    if (this.process && this.process.exitCode === null && this.process.signalCode === null) await this.stop()
    this.upstream.server.closeAllConnections()
    this.upstream.server.close()
    await rm(this.folder, { recursive: true, force: true })
  }

  async file(name, text) {
    const place = path.join(this.folder, name)
    await writeFile(place, text)
    return place
  }

  /** One command of the command line; answers what it prints. */
  async command(...words) {
    const env = { ...environment(), PORTCULLIS_DIR: this.data }
    const { stdout } = await run(this.binary, words, { env })
    return stdout
  }

  async enrollKey(name, jwk) {
    const place = await this.file(`${name}.jwks.json`, JSON.stringify({ keys: [jwk] }))
    await this.command('client', 'enroll', name, '--integration', 'quillmere-parcels', '--jwks', place)
  }

  async enrollCertificate(name, certificate) {
    const place = await this.file(`${name}.crt`, certificate)
    await this.command('client', 'enroll', name, '--integration', 'quillmere-parcels', '--cert', place)
  }

  async declareClient(name, spec) {
    const client = { kind: 'Client', name, spec: { integration: 'quillmere-parcels', ...spec } }
    await this.command('apply', '-f', await this.file(`${name}.json`, JSON.stringify(client)))
  }
}

/** Ours without what would send the command line elsewhere. */
function environment() {
  const entries = Object.entries(process.env).filter(([name]) => !name.startsWith('PORTCULLIS_'))
  return Object.fromEntries(entries)
}

async function startUpstream() {
  const requests = []
  const server = http.createServer((request, response) => {
    requests.push({ method: request.method, url: request.url, headers: request.headers })
    response.setHeader('content-type', 'application/json')
    response.end(JSON.stringify({ parcels: PARCELS }))
  })
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  return { server, requests, port: server.address().port }
}

function manifests(port) {
  const year = new Date().getUTCFullYear()
  return `kind: Vendor
name: quillmere
spec:
  legal_name: Quillmere Logistics GmbH
---
kind: Contract
name: quillmere-2026
spec:
  vendor: quillmere
  starts: ${year - 1}-01-01
  ends: ${year + 1}-12-31
  time_zone: Europe/Berlin
---
kind: Upstream
name: parcels
spec:
  url: http://127.0.0.1:${port}
---
kind: Route
name: parcels
spec:
  upstream: parcels
  methods: [GET]
  path: /parcels
  scope: parcels.read
  records: /parcels
---
kind: Integration
name: quillmere-parcels
spec:
  contract: quillmere-2026
  purpose: Reads where parcels are
  routes: [parcels]
  scopes: [parcels.read]
`
}
