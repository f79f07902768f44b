/** Kinds of operations that the runtime itself looks at (docs/protocol.md section 4.2). */
export const clockKind = 0x02;
/** Of the catalog: an Automerge change. */
export const changeKind = 0x20;
/** Of a note: a Yjs update. */
export const updateKind = 0x40;
