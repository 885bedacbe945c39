// The types of playwright-core name these four of the DOM, which programs for Node do not have.
// What runs in the page is page.js, so that nothing more of the DOM is needed here.

interface Node {
  readonly nodeType: number;
}
interface HTMLElement extends Node {
  readonly tagName: string;
}
interface SVGElement extends Node {
  readonly tagName: string;
}
interface HTMLElementTagNameMap {
  readonly body: HTMLElement;
}
