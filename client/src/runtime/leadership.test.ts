import { leadershipContract } from "./leadership.contract.ts";
import { logLockContract } from "./log-lock.contract.ts";

leadershipContract();
logLockContract();
