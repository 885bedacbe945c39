// A sheet that all in a room draw on. A stroke is five unsigned 16-bit numbers, big-endian: the line
// from x, y to x, y as parts of 65,535 of the sheet, and its colour as a hue. A message holds any
// number of them.

const STROKE_SIZE = 10;
const FULL = 65_535;

export class Doodle {
  #canvas;
  #pen;
  #hue = Math.floor(Math.random() * 360);
  #pending = [];
  #last = null;

  /**
   * @param {() => boolean} mayBegin whether a line may be begun now
   * @param {(strokes: DataView) => void} send is given what was drawn, once a frame
   */
  constructor(canvas, mayBegin, send) {
    this.#canvas = canvas;
    this.#pen = canvas.getContext('2d');
    this.#pen.lineWidth = 6;
    this.#pen.lineCap = 'round';
    canvas.addEventListener('pointerdown', (event) => {
      if (!mayBegin()) return;
      canvas.setPointerCapture(event.pointerId);
      this.#last = this.#place(event);
      this.#lineTo(this.#last, send);
    });
    canvas.addEventListener('pointermove', (event) => {
      if (this.#last !== null) this.#lineTo(this.#place(event), send);
    });
    for (const type of ['pointerup', 'pointercancel']) {
      canvas.addEventListener(type, () => (this.#last = null));
    }
  }

  /** Draws what others have drawn. */
  draw(bytes) {
    const view = new DataView(bytes);
    for (let at = 0; at + STROKE_SIZE <= view.byteLength; at += STROKE_SIZE) {
      const numbers = [0, 2, 4, 6, 8].map((offset) => view.getUint16(at + offset));
      this.#line(numbers);
    }
  }

  clear() {
    this.#canvas.dataset.empty = '';
    this.#pen.clearRect(0, 0, this.#canvas.width, this.#canvas.height);
  }

  #place({ clientX, clientY }) {
    const { left, top, width, height } = this.#canvas.getBoundingClientRect();
    const part = (length, whole) => Math.round(Math.min(1, Math.max(0, length / whole)) * FULL);
    return [part(clientX - left, width), part(clientY - top, height)];
  }

  #lineTo(place, send) {
    const stroke = [...this.#last, ...place, this.#hue];
    this.#last = place;
    this.#line(stroke);
    this.#pending.push(stroke);
    if (this.#pending.length > 1) return;
    requestAnimationFrame(() => {
      const view = new DataView(new ArrayBuffer(this.#pending.length * STROKE_SIZE));
      this.#pending.flat().forEach((number, i) => view.setUint16(i * 2, number));
      this.#pending = [];
      send(view);
    });
  }

  #line([fromX, fromY, toX, toY, hue]) {
    const { width, height, dataset } = this.#canvas;
    delete dataset.empty;
    this.#pen.strokeStyle = `hsl(${hue} 75% 52%)`;
    this.#pen.beginPath();
    this.#pen.moveTo((fromX / FULL) * width, (fromY / FULL) * height);
    this.#pen.lineTo((toX / FULL) * width, (toY / FULL) * height);
    this.#pen.stroke();
  }
}
