// The core without I/O: a client and a server in memory, and a clock that is set by hand. So an
// application's own protocol is tested to the last cut of the wire, in microseconds.
import {
  Connection,
  OPCODE,
  RequestHeadParser,
  ResponseHeadParser,
  acceptResponse,
  checkAnswer,
  createOffer,
  readRequest,
  resolveLimits,
} from 'tautline/protocol';

/** One end of a line in memory. What is written waits until it is carried to the other end. */
class MemoryTransport {
  sent = [];
  isEnded = false;

  get writableLength() {
    return this.sent.reduce((size, bytes) => size + bytes.length, 0);
  }
  write(bytes) {
    this.sent.push(Buffer.from(bytes));
    return true;
  }
  end() {
    this.isEnded = true;
  }
  destroy() {
    this.sent = [];
    this.isEnded = true;
  }
  // Nothing to put together, and nobody who would send too fast.
  cork() {}
  uncork() {}
  pause() {}
  resume() {}

  /** Carries all to `other`, byte by byte: no cut of the wire makes a difference. */
  carryTo(other) {
    const bytes = Buffer.concat(this.sent);
    this.sent = [];
    for (const byte of bytes) other.receive(Buffer.of(byte));
    if (this.isEnded) other.receiveEnd();
  }
}

const clock = { time: 0, now: () => clock.time };

function createConnection(role, transport, onMessage) {
  const handler = {
    onMessage: (opcode, source, start, end) => onMessage(source.toString('utf8', start, end)),
    onPing: () => console.log(`${role}: a Ping`),
    onPong: () => console.log(`${role}: a Pong`),
    onDrain() {},
    onPending() {},
    onError: (error) => console.log(`${role}: ${error.code}`),
    onClose: (code) => console.log(`${role}: closed with ${code}`),
  };
  return new Connection(role, transport, handler, clock, resolveLimits({ pingInterval: 30_000 }));
}

// The handshake is strings and heads.
const offer = createOffer(new URL('ws://localhost/chat'));
const request = new RequestHeadParser();
request.push(Buffer.from(offer.request, 'latin1'));
const response = new ResponseHeadParser();
response.push(Buffer.from(acceptResponse(readRequest(request.head)), 'latin1'));
checkAnswer(offer, response.head);
console.log(`the client asked for ${request.head.target}, and got ${response.head.status}`);

// Then the two are connected.
const [up, down] = [new MemoryTransport(), new MemoryTransport()];
const client = createConnection('client', up, (text) => console.log(`client: ${text}`));
const server = createConnection('server', down, (text) => {
  server.send(OPCODE.TEXT, Buffer.from(`you said ${text}`));
});
function exchange() {
  for (let round = 0; round < 4; round++) {
    client.flush();
    up.carryTo(server);
    server.flush();
    down.carryTo(client);
  }
  if (!up.isEnded || !down.isEnded) return;
  for (const connection of [client, server]) connection.receiveTransportClose();
}

client.send(OPCODE.TEXT, Buffer.from('hello'));
exchange();
clock.time += 30_000;
server.tick();
exchange();
client.close(1000, 'done');
exchange();
