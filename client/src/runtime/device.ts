/** What all parts of one tab share: the database, the cipher suite, the other tabs, the page. */
import type { KvDeviceStore } from "@skein/shared/device/device-store.ts";
import type { Kv } from "@skein/shared/device/kv.ts";
import type { ReadModels } from "@skein/shared/device/read-models.ts";
import type { Env } from "@skein/shared/env.ts";
import type { RelayOrigin } from "../transport/address.ts";
import type { Platform } from "./platform.ts";
import type { TabChannel } from "./tabs.ts";
import type { Troubles } from "./troubles.ts";
import type { WebSuite } from "./web-suite.ts";

export interface Device {
  /** Of the database; locks and the tabs' channel are named after it. */
  readonly name: string;
  readonly platform: Platform;
  readonly env: Env;
  readonly suite: WebSuite;
  readonly kv: Kv;
  readonly store: KvDeviceStore;
  readonly models: ReadModels;
  readonly tabs: TabChannel;
  readonly troubles: Troubles;
  /** The relay of the page, which new spaces use. */
  readonly relay: RelayOrigin;
  /** A bug: reported, never shown as the person's fault. */
  readonly onBug: (error: unknown) => void;
}
