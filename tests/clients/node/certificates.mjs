// Client certificates, made by the openssl command.

import { execFile } from 'node:child_process'
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import path from 'node:path'
import { promisify } from 'node:util'

const run = promisify(execFile)
const KEY = ['-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:P-256', '-nodes']

/** A certificate that nobody but its key signed: `{ key, cert }` as PEM. */
export async function selfSigned(name) {
  return inFolder(async (at) => {
    const subject = ['-subj', `/CN=${name}`, '-days', '7', '-addext', 'extendedKeyUsage=clientAuth']
    await run('openssl', ['req', '-x509', ...KEY, ...subject, '-keyout', at('key'), '-out', at('crt')])
    return pair(at)
  })
}

/** An authority of the vendor's own: `{ cert, issue(name, dns) }`. */
export async function authority(name) {
  const ca = await inFolder(async (at) => {
    const subject = ['-subj', `/O=Quillmere/CN=${name}`, '-days', '7']
    const use = ['-addext', 'basicConstraints=critical,CA:TRUE', '-addext', 'keyUsage=critical,keyCertSign,cRLSign']
    await run('openssl', ['req', '-x509', ...KEY, ...subject, ...use, '-keyout', at('key'), '-out', at('crt')])
    return pair(at)
  })
  return { cert: ca.cert, issue: (name, dns) => issue(ca, name, dns) }
}

async function issue(ca, name, dns) {
  return inFolder(async (at) => {
    await writeFile(at('ca.crt'), ca.cert)
    await writeFile(at('ca.key'), ca.key)
    const extensions = `subjectAltName=DNS:${dns}\nextendedKeyUsage=clientAuth\nbasicConstraints=critical,CA:FALSE\n`
    await writeFile(at('extensions'), extensions)
    await run('openssl', ['req', '-new', ...KEY, '-subj', `/O=Quillmere/CN=${name}`, '-keyout', at('key'), '-out', at('csr')])
    const signer = ['-CA', at('ca.crt'), '-CAkey', at('ca.key'), '-CAcreateserial']
    await run('openssl', ['x509', '-req', '-in', at('csr'), ...signer, '-days', '7', '-extfile', at('extensions'), '-out', at('crt')])
    return pair(at)
  })
}

async function pair(at) {
  return { key: await readFile(at('key'), 'utf8'), cert: await readFile(at('crt'), 'utf8') }
}

async function inFolder(work) {
  const folder = await mkdtemp(path.join(tmpdir(), 'portcullis-certificates-'))
  try {
    return await work((name) => path.join(folder, name))
  } finally {
    await rm(folder, { recursive: true, force: true })
  }
}
