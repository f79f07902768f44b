import { webSuiteContract } from "./web-suite.contract.ts";

webSuiteContract("Node");
