// Runs in a page, as a classic script: what a test calls by `page.evaluate`. Bytes stay in the
// page; what the test gets is what `JSON` can say.

/** The bytes of samples.ts. */
function patternOf(size) {
  return Uint8Array.from({ length: size }, (_, i) => (i * 7 + (i >> 8)) & 0xff);
}

function areEqual(one, other) {
  return one.length === other.length && one.every((byte, i) => byte === other[i]);
}

/** An open WebSocket. */
function connect(url, binaryType = 'arraybuffer') {
  return new Promise((resolve, reject) => {
    const socket = new WebSocket(url);
    socket.binaryType = binaryType;
    socket.addEventListener('open', () => resolve(socket));
    socket.addEventListener('error', () => reject(new Error('no connection')));
  });
}

/** The data of the next `count` messages. */
function receive(socket, count) {
  return new Promise((resolve, reject) => {
    const messages = [];
    socket.addEventListener('message', ({ data }) => {
      messages.push(data);
      if (messages.length === count) resolve(messages);
    });
    socket.addEventListener('close', ({ code }) => reject(new Error(`closed with ${code}`)));
  });
}

/** What the `close` event says. */
function closeOf(socket) {
  return new Promise((resolve) => {
    socket.addEventListener('close', ({ code, reason, wasClean }) => {
      resolve({ code, reason, wasClean });
    });
  });
}

globalThis.inPage = {
  /** The handshake as the page sees it. */
  async describe({ url }) {
    const { readyState, protocol, extensions } = await connect(url);
    return { readyState, protocol, extensions };
  },

  /** Sends all at once, and returns what comes back. */
  async echoTexts({ url, texts }) {
    const socket = await connect(url);
    const received = receive(socket, texts.length);
    for (const text of texts) socket.send(text);
    return await received;
  },

  /** Sends binaries of these sizes. Returns the size of what comes back, where it is the same. */
  async echoArrays({ url, sizes }) {
    const socket = await connect(url);
    const received = receive(socket, sizes.length);
    for (const size of sizes) socket.send(patternOf(size));
    return (await received).map((data, i) => {
      if (!(data instanceof ArrayBuffer)) return 'no ArrayBuffer';
      return areEqual(new Uint8Array(data), patternOf(sizes[i])) ? data.byteLength : 'other bytes';
    });
  },

  async echoBlobs({ url, sizes }) {
    const socket = await connect(url, 'blob');
    const received = receive(socket, sizes.length);
    for (const size of sizes) socket.send(new Blob([patternOf(size)]));
    return await Promise.all(
      (await received).map(async (data, i) => {
        if (!(data instanceof Blob)) return 'no Blob';
        const bytes = new Uint8Array(await data.arrayBuffer());
        return areEqual(bytes, patternOf(sizes[i])) ? data.size : 'other bytes';
      }),
    );
  },

  async close({ url, args }) {
    const socket = await connect(url);
    const closed = closeOf(socket);
    socket.close(...args);
    return await closed;
  },

  async sendTooMuch({ url, size }) {
    const socket = await connect(url);
    const closed = closeOf(socket);
    socket.send(new Uint8Array(size));
    return await closed;
  },

  /** Connects, and keeps for `closed` what the server closes with. */
  async open({ url }) {
    globalThis.closing = closeOf(await connect(url));
  },

  async closed() {
    return await globalThis.closing;
  },
};
