/**
 * The real relay as a child process on a probed port with its own data folder, for tests: started,
 * stopped, killed and started again at the same address.
 */
import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { mkdtemp, readdir, readFile, rm } from "node:fs/promises";
import { createServer } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";

const root = join(import.meta.dirname, "../../..");

export class RelayProcess {
  readonly port: number;
  readonly origin: string;
  readonly data: string;
  /** Everything it has written to standard output and error. */
  output = "";
  readonly #environment: NodeJS.ProcessEnv;
  #child: ChildProcess | undefined;

  private constructor(port: number, data: string, environment: NodeJS.ProcessEnv) {
    this.port = port;
    this.origin = `http://localhost:${port}`;
    this.data = data;
    this.#environment = environment;
  }

  static async start(environment: NodeJS.ProcessEnv = {}): Promise<RelayProcess> {
    const data = await mkdtemp(join(tmpdir(), "skein-relay-"));
    const relay = new RelayProcess(await freePort(), data, environment);
    await relay.up();
    return relay;
  }

  get running(): boolean {
    return this.#child !== undefined;
  }

  async up(): Promise<void> {
    const child = spawn(process.execPath, [join(root, "server/src/main.ts")], {
      cwd: root,
      env: {
        ...process.env,
        SKEIN_PORT: String(this.port),
        SKEIN_HOST: "127.0.0.1",
        SKEIN_DATA: this.data,
        ...this.#environment,
      },
      stdio: ["ignore", "pipe", "pipe"],
    });
    this.#child = child;
    const listening = new Promise<void>((resolve, reject) => {
      const hear = (chunk: Buffer): void => {
        this.output += chunk.toString();
        if (/https?:\/\//.test(this.output.slice(-400))) resolve();
      };
      child.stdout.on("data", hear);
      child.stderr.on("data", (chunk: Buffer) => {
        this.output += chunk.toString();
      });
      child.once("exit", (code) =>
        reject(new Error(`the relay ended with ${code}\n${this.output}`)),
      );
    });
    await listening;
  }

  /** SIGKILL by default: nothing is said to anybody. */
  async down(signal: NodeJS.Signals = "SIGKILL"): Promise<void> {
    const child = this.#child;
    this.#child = undefined;
    if (child === undefined || child.exitCode !== null || child.signalCode !== null) return;
    const ended = once(child, "exit");
    child.kill(signal);
    await ended;
  }

  async remove(): Promise<void> {
    await this.down();
    await rm(this.data, { recursive: true, force: true });
  }

  /** All bytes that it keeps, and all that it said. */
  async everything(): Promise<Buffer> {
    const names = await readdir(this.data, { recursive: true, withFileTypes: true });
    const files = names.filter((entry) => entry.isFile());
    const bytes = await Promise.all(
      files.map((entry) => readFile(join(entry.parentPath, entry.name))),
    );
    return Buffer.concat([...bytes, Buffer.from(this.output)]);
  }
}

/** A port below the ephemeral range that nobody listens on. */
export async function freePort(): Promise<number> {
  for (let attempt = 0; attempt < 200; attempt++) {
    const port = 10_000 + Math.floor(Math.random() * 20_000);
    const free = await new Promise<boolean>((resolve) => {
      const server = createServer();
      server.once("error", () => resolve(false));
      server.listen(port, "127.0.0.1", () => server.close(() => resolve(true)));
    });
    if (free) return port;
  }
  throw new Error("no free port was found");
}
