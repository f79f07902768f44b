/** What is set for this device alone, and remembered: so far, the switch "Work offline". */
import type { Kv } from "@skein/shared/device/kv.ts";
import { Records } from "@skein/shared/device/records.ts";

export interface DeviceSettings {
  readonly offline: boolean;
}

const key = "settings";
const initial: DeviceSettings = { offline: false };

export class DeviceSettingsRecord {
  readonly #records: Records<typeof key, DeviceSettings>;

  constructor(kv: Kv) {
    this.#records = new Records(kv, "meta", {
      form: 1,
      upgrade: () => {
        throw new Error("device settings of a form before the first");
      },
    });
  }

  async read(): Promise<DeviceSettings> {
    return (await this.#records.get(key)) ?? initial;
  }

  async change(change: Partial<DeviceSettings>): Promise<DeviceSettings> {
    const kept = await this.#records.update(key, (held) => ({ ...initial, ...held, ...change }));
    return kept ?? initial;
  }
}
