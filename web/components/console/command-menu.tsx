"use client";

/** Cmd-K: every page, and the way from an id to what is known of it. */

import { Dialog } from "@base-ui/react/dialog";
import { useRouter, useSearchParams } from "next/navigation";
import { useEffect, useState } from "react";
import { Search } from "lucide-react";
import { classNames } from "@/lib/class-names";
import { PAGES } from "@/lib/console/pages";
import { carriedQuery } from "@/lib/console/view";
import { applyTheme } from "./theme-choice";

interface Command {
  readonly name: string;
  readonly hint: string;
  readonly run: () => void;
}

const UUID = /^[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}$/i;

export function CommandMenu() {
  const [isOpen, setOpen] = useState(false);
  const [text, setText] = useState("");
  const [place, setPlace] = useState(0);
  const commands = useCommands(text.trim());
  const current = Math.min(place, commands.length - 1);

  useEffect(() => {
    const toggle = (event: KeyboardEvent) => {
      if (event.key.toLowerCase() !== "k" || !(event.metaKey || event.ctrlKey)) return;
      event.preventDefault();
      setOpen((open) => !open);
    };
    addEventListener("keydown", toggle);
    return () => removeEventListener("keydown", toggle);
  }, []);

  const run = (command: Command | undefined) => {
    if (!command) return;
    setOpen(false);
    setText("");
    command.run();
  };
  const onKeyDown = (event: React.KeyboardEvent) => {
    const step = { ArrowDown: 1, ArrowUp: -1 }[event.key];
    if (step) {
      event.preventDefault();
      setPlace((current + step + commands.length) % Math.max(1, commands.length));
    } else if (event.key === "Enter") {
      event.preventDefault();
      run(commands[current]);
    }
  };

  return (
    <Dialog.Root open={isOpen} onOpenChange={setOpen}>
      <Dialog.Trigger className="flex h-8 items-center gap-2 rounded-md border bg-surface px-2.5 text-xs text-muted hover:bg-sunken">
        <Search aria-hidden="true" className="size-3.5" />
        Go to <kbd className="rounded border px-1 font-sans text-[11px]">⌘K</kbd>
      </Dialog.Trigger>
      <Dialog.Portal>
        <Dialog.Backdrop className="fixed inset-0 z-40 bg-black/40" />
        <Dialog.Popup className="fixed top-[12vh] left-1/2 z-50 w-[34rem] max-w-[calc(100vw-2rem)] -translate-x-1/2 overflow-hidden rounded-xl border bg-surface shadow-2xl">
          <Dialog.Title className="sr-only">Go to</Dialog.Title>
          <input
            role="combobox"
            aria-expanded="true"
            aria-controls="commands"
            aria-activedescendant={commands[current] ? `command-${current}` : undefined}
            aria-label="Page, recommendation id, user or item"
            placeholder="Page, recommendation id, user or item"
            value={text}
            onChange={(event) => {
              setText(event.target.value);
              setPlace(0);
            }}
            onKeyDown={onKeyDown}
            className="h-12 w-full border-b bg-transparent px-4 text-sm outline-none placeholder:text-muted"
          />
          <ul id="commands" role="listbox" aria-label="Commands" className="max-h-[50vh] overflow-y-auto p-2">
            {commands.map((command, index) => (
              <li
                key={command.name}
                id={`command-${index}`}
                role="option"
                aria-selected={index === current}
                onClick={() => run(command)}
                onMouseMove={() => setPlace(index)}
                className={classNames("flex min-h-9 cursor-pointer items-center gap-3 rounded-md px-2 text-sm", index === current && "bg-accent-soft text-accent")}
              >
                {command.name} <span className="ml-auto truncate text-xs text-muted">{command.hint}</span>
              </li>
            ))}
          </ul>
        </Dialog.Popup>
      </Dialog.Portal>
    </Dialog.Root>
  );
}

function useCommands(text: string): Command[] {
  const router = useRouter();
  const carried = carriedQuery(useSearchParams());
  const pages = PAGES.map((page): Command => ({ name: page.name, hint: page.question, run: () => router.push(page.path + carried) }));
  const themes = ["system", "light", "dark"].map((theme): Command => ({ name: `Theme: ${theme}`, hint: "How the console looks", run: () => applyTheme(theme) }));
  const matching = [...pages, ...themes].filter(({ name, hint }) => `${name} ${hint}`.toLowerCase().includes(text.toLowerCase()));
  if (!text) return matching;
  const go = (path: string, name: string) => () => router.push(`${path}?${new URLSearchParams({ [name]: text })}`);
  const byId: Command[] = UUID.test(text)
    ? [{ name: `Explain ${text}`, hint: "A recommendation", run: go("/console/explain", "id") }]
    : [
        { name: `User ${text}`, hint: "What would they see now?", run: go("/console/users", "user") },
        { name: `Item ${text}`, hint: "Find by words or id", run: go("/console/items", "q") },
        { name: `Answers to ${text}`, hint: "Decisions for this user", run: go("/console/explain", "user") },
      ];
  return [...matching, ...byId];
}
