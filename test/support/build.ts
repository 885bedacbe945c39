import { execFileSync } from 'node:child_process';

/** Interop tests run what users run: the built package. */
export default function build(): void {
  execFileSync('npm', ['run', '--silent', 'build'], { stdio: 'inherit' });
}
