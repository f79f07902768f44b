import type { Role } from "../runtime/api.ts";

const words: Readonly<Record<Role, string>> = {
  owner: "Owner",
  editor: "Editor",
  reader: "Reader",
};

export const roleWords = (role: Role): string => words[role];
