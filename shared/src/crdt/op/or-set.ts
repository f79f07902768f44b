/**
 * A set in which add wins over a removal at the same time (Shapiro et al., "Conflict-free Replicated
 * Data Types", SSS 2011). Every addition tags its element with the operation's id; a removal names
 * the tags its author saw, and so does an addition, which replaces them. Concurrent operations
 * commute because each takes only tags that were there before both, and brings only its own.
 *
 * Causal delivery makes tombstones needless: a tag that is named has come before. Somebody who lies
 * about what they had seen could name one that has not come, and then what remains would hang on
 * the order. Such tags are remembered, so that replicas end alike under any author.
 */
import { compareIds, type Delivered, keyOfId, type OpBased, type OpId } from "../crdt.ts";
import type { ReplicaId } from "../../id/id.ts";

export interface OrSetOperation {
  readonly kind: "add" | "remove";
  readonly element: string;
  /** The tags of the element that the author saw. */
  readonly observed: readonly OpId[];
}

export class OrSet implements OpBased<OrSetOperation, ReadonlySet<string>> {
  readonly #tagsByElement = new Map<string, Map<string, OpId>>();
  /** The newest operation of each author that came: authors' operations come in order. */
  readonly #newest = new Map<ReplicaId, OpId>();
  /** Elements by the keys of tags that were named before they came. */
  readonly #early = new Map<string, Set<string>>();

  get value(): ReadonlySet<string> {
    return new Set(this.#tagsByElement.keys());
  }

  /** Tags that were named and have not come: 0 among honest members. */
  get early(): number {
    return this.#early.size;
  }

  /** The operation that adds `element`, to be applied like everybody else's. */
  add(element: string): OrSetOperation {
    return { kind: "add", element, observed: this.#tagsOf(element) };
  }

  /** Undefined if there is nothing to remove. */
  remove(element: string): OrSetOperation | undefined {
    const observed = this.#tagsOf(element);
    return observed.length === 0 ? undefined : { kind: "remove", element, observed };
  }

  apply({ id, op }: Delivered<OrSetOperation>): void {
    this.#newest.set(id.replica, id);
    const tags = this.#tagsByElement.get(op.element) ?? new Map<string, OpId>();
    for (const tag of op.observed) {
      if (!tags.delete(keyOfId(tag)) && !this.#hasCome(tag)) this.#rememberEarly(tag, op.element);
    }
    const key = keyOfId(id);
    const taken = this.#early.get(key)?.has(op.element) === true;
    this.#early.delete(key);
    if (op.kind === "add" && !taken) tags.set(key, id);
    if (tags.size === 0) this.#tagsByElement.delete(op.element);
    else this.#tagsByElement.set(op.element, tags);
  }

  #tagsOf(element: string): readonly OpId[] {
    return [...(this.#tagsByElement.get(element)?.values() ?? [])].sort(compareIds);
  }

  #hasCome(tag: OpId): boolean {
    const newest = this.#newest.get(tag.replica);
    return newest !== undefined && compareIds(tag, newest) <= 0;
  }

  #rememberEarly(tag: OpId, element: string): void {
    const key = keyOfId(tag);
    const elements = this.#early.get(key);
    if (elements === undefined) this.#early.set(key, new Set([element]));
    else elements.add(element);
  }
}
