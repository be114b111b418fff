"use client";

/** A search that lives in the address. */

import { Button } from "@/components/ui/button";
import { TextField } from "@/components/ui/fields";
import { useView } from "@/lib/console/view";

export function SearchBox({ label, name }: { label: string; name: string }) {
  const view = useView();
  const submit = (event: React.FormEvent<HTMLFormElement>) => {
    event.preventDefault();
    view.set({ [name]: String(new FormData(event.currentTarget).get(name) ?? "").trim(), after: null });
  };
  return (
    <form key={view.get(name)} role="search" aria-label={label} onSubmit={submit} className="flex items-end gap-2">
      <TextField label={label} name={name} type="search" defaultValue={view.get(name)} className="w-80 max-w-full" />
      <Button type="submit">Find</Button>
    </form>
  );
}
