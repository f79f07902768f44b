/**
 * Brings in Automerge's WebAssembly, over a megabyte of it: from an address of our own, never inlined,
 * and only when the catalog changes or somebody changes it.
 */
import wasmAddress from "@automerge/automerge/automerge.wasm?url";
import { initializeWasm } from "@automerge/automerge/slim";

export const loadAutomerge = (): Promise<void> => initializeWasm(wasmAddress);
