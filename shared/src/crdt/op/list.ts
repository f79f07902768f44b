/**
 * A list that everybody may insert into and delete from: Fugue (Weidner and Kleppmann, "The art of
 * the fugue: minimizing interleaving in collaborative text editing", arXiv 2305.00583, 2023). Each
 * element is a node of a tree, a left or a right child of the element it was put beside, and the
 * list is the tree read from left to right. What two people insert at one place at the same time
 * hangs on two nodes, so that one run stands behind the other and is not shuffled with it.
 *
 * Concurrent operations commute: an insertion adds a node whose place in the tree is written in it,
 * siblings on one side stand in the order of their ids, and a deletion takes a value away for ever.
 * So a list is its set of nodes and of deleted ids, both of which only grow: it travels as a state
 * too, and merges by union. Deleted elements leave their node behind.
 *
 * A node whose parent has not come waits for it; only an author who lies about what they had seen
 * makes one wait. Finding a place by its index walks the list: this is for what people arrange, and
 * long texts are notes.
 */
import {
  compareIds,
  type Delivered,
  keyOfId,
  type OpBased,
  type OpId,
  type StateBased,
} from "../crdt.ts";

export type Side = "left" | "right";

export type ListOperation<Value> =
  | {
      readonly kind: "insert";
      /** Undefined: the root, whose children are all on the right. */
      readonly parent: OpId | undefined;
      readonly side: Side;
      readonly value: Value;
    }
  | { readonly kind: "delete"; readonly target: OpId };

export interface ListElement<Value> {
  readonly id: OpId;
  readonly parent: OpId | undefined;
  readonly side: Side;
  /** Undefined: deleted. */
  readonly value: Value | undefined;
}

/** Both ascending by id. Plain (structured clone). */
export interface ListState<Value> {
  readonly elements: readonly ListElement<Value>[];
  /** Deleted before they were inserted, which causal delivery rules out. */
  readonly deletedEarly: readonly OpId[];
}

/** A node, and its neighbours in the list once its parent is known. */
interface Node<Value> {
  /** Undefined: the root. */
  readonly id: OpId | undefined;
  readonly parent: OpId | undefined;
  readonly side: Side;
  value: Value | undefined;
  /** Siblings in the order of their ids. */
  readonly left: Node<Value>[];
  readonly right: Node<Value>[];
  before: Node<Value> | undefined;
  after: Node<Value> | undefined;
}

/** Values are never undefined. */
export class List<Value extends {}>
  implements
    OpBased<ListOperation<Value>, readonly Value[]>,
    StateBased<ListState<Value>, readonly Value[]>
{
  readonly #root: Node<Value> = newNode<Value>(undefined, undefined, "right", undefined);
  readonly #nodesByKey = new Map<string, Node<Value>>();
  readonly #waitingByParent = new Map<string, Node<Value>[]>();
  readonly #deletedEarly = new Map<string, OpId>();

  get value(): readonly Value[] {
    const values: Value[] = [];
    for (let node = this.#root.after; node !== undefined; node = node.after) {
      if (node.value !== undefined) values.push(node.value);
    }
    return values;
  }

  /** Elements whose parent has not come: 0 among honest members. */
  get waiting(): number {
    let count = 0;
    for (const nodes of this.#waitingByParent.values()) count += nodes.length;
    return count;
  }

  get state(): ListState<Value> {
    const elements: ListElement<Value>[] = [];
    for (const { id, parent, side, value } of this.#nodesByKey.values()) {
      if (id !== undefined) elements.push({ id, parent, side, value });
    }
    return {
      elements: elements.sort((a, b) => compareIds(a.id, b.id)),
      deletedEarly: [...this.#deletedEarly.values()].sort(compareIds),
    };
  }

  /**
   * The operation that makes `value` the element at `index`, to be applied like everybody else's.
   * Throws a `RangeError` beyond the end.
   */
  insert(index: number, value: Value): ListOperation<Value> {
    const before = index === 0 ? this.#root : this.#nodeAt(index - 1);
    // Deleted nodes count here: the next one in the tree, whether or not it shows.
    const next = before.after;
    return before.right.length === 0 || next === undefined
      ? { kind: "insert", parent: before.id, side: "right", value }
      : { kind: "insert", parent: next.id, side: "left", value };
  }

  /** The operation that deletes the element at `index`. Throws a `RangeError` if there is none. */
  delete(index: number): ListOperation<Value> {
    const { id } = this.#nodeAt(index);
    if (id === undefined) throw new Error("the root is no element");
    return { kind: "delete", target: id };
  }

  apply({ id, op }: Delivered<ListOperation<Value>>): void {
    if (op.kind === "insert") this.#add({ id, parent: op.parent, side: op.side, value: op.value });
    else this.#delete(op.target);
  }

  merge({ elements, deletedEarly }: ListState<Value>): void {
    for (const element of elements) this.#add(element);
    for (const id of deletedEarly) this.#delete(id);
  }

  #nodeAt(index: number): Node<Value> {
    let left = index;
    for (let node = this.#root.after; node !== undefined; node = node.after) {
      if (node.value !== undefined && left-- === 0) return node;
    }
    throw new RangeError(`no element at ${index}`);
  }

  #delete(id: OpId): void {
    const key = keyOfId(id);
    const node = this.#nodesByKey.get(key);
    if (node === undefined) this.#deletedEarly.set(key, id);
    else node.value = undefined;
  }

  #add({ id, parent, side, value }: ListElement<Value>): void {
    const key = keyOfId(id);
    const held = this.#nodesByKey.get(key);
    if (held !== undefined) {
      if (value === undefined) held.value = undefined;
      return;
    }
    const left = this.#deletedEarly.delete(key) ? undefined : value;
    const node = newNode(id, parent, parent === undefined ? "right" : side, left);
    this.#nodesByKey.set(key, node);
    // A loop where the tree suggests recursion: a chain of nodes is as long as a text.
    const ready = [node];
    for (let next = ready.pop(); next !== undefined; next = ready.pop()) {
      if (!this.#place(next)) continue;
      // The first to come goes first: mostly the eldest, behind which there is nothing to move.
      for (const waiting of this.#takeWaiting(next).toReversed()) ready.push(waiting);
    }
  }

  /** False if it has to wait. */
  #place(node: Node<Value>): boolean {
    const parent = this.#parentOf(node);
    if (parent === undefined) return false;
    const siblings = parent[node.side];
    const at = placeAmong(siblings, node);
    const elder = siblings[at - 1];
    const younger = siblings[at];
    siblings.splice(at, 0, node);
    if (elder !== undefined) linkBehind(endOf(elder), node);
    else if (node.side === "right") linkBehind(parent, node);
    else {
      const next = younger === undefined ? parent : beginningOf(younger);
      linkBehind(next.before ?? this.#root, node);
    }
    return true;
  }

  /** Undefined if it has no place itself. */
  #parentOf(node: Node<Value>): Node<Value> | undefined {
    if (node.parent === undefined) return this.#root;
    const key = keyOfId(node.parent);
    const parent = this.#nodesByKey.get(key);
    if (parent?.before !== undefined) return parent;
    const waiting = this.#waitingByParent.get(key);
    if (waiting === undefined) this.#waitingByParent.set(key, [node]);
    else waiting.push(node);
    return undefined;
  }

  #takeWaiting(parent: Node<Value>): readonly Node<Value>[] {
    if (parent.id === undefined) return [];
    const key = keyOfId(parent.id);
    const waiting = this.#waitingByParent.get(key) ?? [];
    this.#waitingByParent.delete(key);
    return waiting;
  }
}

const newNode = <Value>(
  id: OpId | undefined,
  parent: OpId | undefined,
  side: Side,
  value: Value | undefined,
): Node<Value> => ({
  id,
  parent,
  side,
  value,
  left: [],
  right: [],
  before: undefined,
  after: undefined,
});

/** How many siblings stand before it. */
function placeAmong<Value>(siblings: readonly Node<Value>[], { id }: Node<Value>): number {
  let from = 0;
  for (let to = siblings.length; from < to;) {
    const middle = (from + to) >>> 1;
    const sibling = siblings[middle]?.id;
    if (sibling === undefined || id === undefined) throw new Error("the root has no siblings");
    if (compareIds(sibling, id) < 0) from = middle + 1;
    else to = middle;
  }
  return from;
}

/** The last node of a subtree, as the list reads it. */
function endOf<Value>(node: Node<Value>): Node<Value> {
  let end = node;
  for (let next = end.right.at(-1); next !== undefined; next = end.right.at(-1)) end = next;
  return end;
}

/** The first node of a subtree. */
function beginningOf<Value>(node: Node<Value>): Node<Value> {
  let first = node;
  for (let next = first.left[0]; next !== undefined; next = first.left[0]) first = next;
  return first;
}

function linkBehind<Value>(before: Node<Value>, node: Node<Value>): void {
  node.before = before;
  node.after = before.after;
  if (before.after !== undefined) before.after.before = node;
  before.after = node;
}
