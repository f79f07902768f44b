/**
 * Records that nothing else can tell again: who this device is, which keys it holds, what its person
 * has set. They are written strictly, and each says in which form it is, so that a later version of
 * the app can read what an earlier one wrote. Keys may be handles (`CryptoKey`): values are kept by
 * structured clone.
 */
import type { Key, Kv } from "./kv.ts";

export interface RecordForm<Value> {
  /** Counts up with every change of `Value`. */
  readonly form: number;
  /** A value of an earlier form as one of this. */
  readonly upgrade: (value: unknown, form: number) => Value;
}

/** A newer version of the app has written it: this one must be reloaded. */
export class NewerRecord extends Error {
  override readonly name = "NewerRecord";
}

interface Row {
  readonly form: number;
  readonly value: unknown;
}

/** Records of one kind in one store, by key. */
export class Records<RecordKey extends Key, Value> {
  readonly #kv: Kv;
  readonly #store: "meta" | "spaces";
  readonly #form: RecordForm<Value>;

  constructor(kv: Kv, store: "meta" | "spaces", form: RecordForm<Value>) {
    this.#kv = kv;
    this.#store = store;
    this.#form = form;
  }

  async get(key: RecordKey): Promise<Value | undefined> {
    return this.#kv.read([this.#store], async (tx) =>
      this.#valueOf(await tx.get(this.#store, key)),
    );
  }

  /** All of them, by ascending key. Only for a store that holds no other kind. */
  async all(): Promise<readonly { readonly key: RecordKey; readonly value: Value }[]> {
    return this.#kv.read([this.#store], async (tx) => {
      const rows = await tx.range(this.#store, { from: "", before: [] });
      return rows.flatMap(({ key, value: row }) => {
        const value = this.#valueOf(row);
        return value === undefined ? [] : [{ key: key as RecordKey, value }];
      });
    });
  }

  /** What `change` makes of the record as it is then; undefined deletes it. Tabs take turns. */
  async update(
    key: RecordKey,
    change: (value: Value | undefined) => Value | undefined,
  ): Promise<Value | undefined> {
    return this.#kv.write([this.#store], "strict", async (tx) => {
      const value = change(this.#valueOf(await tx.get(this.#store, key)));
      if (value === undefined) tx.delete(this.#store, key);
      else tx.put(this.#store, key, { form: this.#form.form, value } satisfies Row);
      return value;
    });
  }

  #valueOf(stored: unknown): Value | undefined {
    if (stored === undefined) return undefined;
    const { form, value } = stored as Row;
    if (form > this.#form.form) {
      throw new NewerRecord(
        `a record of form ${form}, where ${this.#form.form} is the newest known`,
      );
    }
    return form === this.#form.form ? (value as Value) : this.#form.upgrade(value, form);
  }
}
