#!/usr/bin/env node
// Stands for `wstest` in a test of autobahn/run.mjs: writes the report that the environment variable
// FAKE_REPORT holds, or serves until it is ended, as `wstest` does in either mode. With FAKE_STUBBORN
// it does not end when it is told to.
import { readFileSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:http';
import { join } from 'node:path';

const [, , , mode, , spec] = process.argv;
const { outdir, url } = JSON.parse(readFileSync(spec, 'utf8'));
const report = process.env.FAKE_REPORT;
if (report !== undefined) writeFileSync(join(outdir, 'index.json'), report);
// A client that finds no WebSocket here ends at once.
if (mode === 'fuzzingserver' || report === undefined) {
  const server = createServer((_request, response) => response.end());
  if (mode === 'fuzzingserver') server.listen(Number(new URL(url).port), '127.0.0.1');
  else setInterval(() => {}, 1000);
  const isStubborn = process.env.FAKE_STUBBORN !== undefined;
  process.on('SIGTERM', () => isStubborn || process.exit(0));
  console.log('the fake suite is there');
}
