// The place behind the gate: answers at once, with two records.

import http from 'node:http'

const body = JSON.stringify({ parcels: [{ id: 'p-1' }, { id: 'p-2' }] })
const server = http.createServer((_, response) => {
  response.writeHead(200, { 'content-type': 'application/json', 'content-length': body.length })
  response.end(body)
})
server.keepAliveTimeout = 60_000
server.listen(0, '127.0.0.1', () => console.log(server.address().port))
process.stdin.on('end', () => process.exit(0)).resume()
