import { verifyingSuite1Contract } from "@skein/shared/crypto/suite.contract.ts";
import { relaySuite } from "./suite.ts";

verifyingSuite1Contract("the relay's suite", async () => relaySuite());
