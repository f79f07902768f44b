/** `pnpm format`: writes every file in the form that `npm test` asks for. */
import { spawnSync } from "node:child_process";
import { join } from "node:path";

const root = join(import.meta.dirname, "..");
const { status } = spawnSync("oxfmt", process.argv.slice(2), { cwd: root, stdio: "inherit" });
process.exitCode = status ?? 1;
