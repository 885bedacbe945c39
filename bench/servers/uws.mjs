import { kind, ready, refuse } from './program.mjs';

// It may not be there when this file is checked.
const uws = await import(
  new URL('../peers/node_modules/uws-pack/dist/index.mjs', import.meta.url).href
);

const LIMITS = {
  maxPayloadLength: 32 * 1024 * 1024,
  maxBackpressure: 256 * 1024 * 1024,
  idleTimeout: 0,
};
const app = uws.App();
const echo = (socket, message, binary) => socket.send(message, binary);
const subscribe = (socket) => socket.subscribe('news');
const publish = (_socket, message, binary) => app.publish('news', message, binary);

const KINDS = {
  echo: { message: echo },
  strings: {
    message: (socket, message, binary) =>
      binary ? echo(socket, message, true) : socket.send(Buffer.from(message).toString(), false),
  },
  broadcast: { open: subscribe, message: publish },
  publish: { open: subscribe, message: publish },
  takeover: {
    compression: uws.DEDICATED_COMPRESSOR_256KB | uws.DEDICATED_DECOMPRESSOR_32KB,
    message: (socket, message, binary) => socket.send(message, binary, true),
  },
  none: {
    compression: uws.SHARED_COMPRESSOR | uws.SHARED_DECOMPRESSOR,
    message: (socket, message, binary) => socket.send(message, binary, true),
  },
};

if (KINDS[kind()] === undefined) refuse();
else {
  app.ws('/*', { ...LIMITS, ...KINDS[kind()] });
  app.listen('127.0.0.1', 0, (token) => ready(uws.us_socket_local_port(token)));
}
