// The baseline: nothing but node:dgram. To every datagram the same answer, encoded beforehand; no callback, no thought.
import { createSocket } from 'node:dgram'
import { answerParent, cpuUs } from './children.mjs'

/** @type {Uint8Array[]} */
let answer = []

const socket = createSocket({
  type: 'udp4',
  recvBufferSize: 4 * 1024 * 1024,
  lookup: (name, _options, callback) => callback(null, name, 4),
})
socket.on('message', (_bytes, { address, port }) => {
  for (const bytes of answer) socket.send(bytes, port, address)
})
socket.bind(0, '127.0.0.1', () => {
  answerParent(
    { port: socket.address().port },
    {
      cpu: cpuUs,
      answer(bytes) {
        answer = bytes
      },
    },
  )
})
