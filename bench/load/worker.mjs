// A thread of load.mjs.
import { workerData } from 'node:worker_threads';
import { MODES } from './modes.mjs';

MODES[workerData.mode](workerData);
