"use client";

/** Asks before something changes for everybody: a reason for the audit log, and a word to type. */

import type { UseMutationResult } from "@tanstack/react-query";
import { useState } from "react";
import { Button } from "@/components/ui/button";
import { DialogWindow } from "@/components/ui/dialog";
import { TextField } from "@/components/ui/fields";
import type { ConsoleError } from "@/lib/console/api";
import { Complaint } from "./page-state";

export function ConfirmDialog<Input, Output>({ isOpen, onClose, title, description, word, action, change, input }: {
  isOpen: boolean;
  onClose: () => void;
  title: string;
  description: string;
  /** What must be typed. */
  word: string;
  action: string;
  change: UseMutationResult<Output, ConsoleError, Input>;
  input: (reason: string) => Input;
}) {
  const [typed, setTyped] = useState("");
  const [reason, setReason] = useState("");
  const close = () => {
    setTyped("");
    setReason("");
    change.reset();
    onClose();
  };
  const submit = (event: React.FormEvent) => {
    event.preventDefault();
    change.mutate(input(reason.trim()), { onSuccess: close });
  };
  const isReady = typed.trim().toLowerCase() === word && reason.trim() !== "" && !change.isPending;
  return (
    <DialogWindow isOpen={isOpen} onClose={close} title={title} description={description}>
      <form onSubmit={submit} className="space-y-3">
        <TextField label="Why, for the audit log" value={reason} required maxLength={500} onChange={(event) => setReason(event.target.value)} />
        <TextField label={`Type “${word}” to confirm`} value={typed} required autoComplete="off" onChange={(event) => setTyped(event.target.value)} />
        <Complaint error={change.error} />
        <div className="flex justify-end gap-2">
          <Button kind="quiet" onClick={close}>
            Cancel
          </Button>
          <Button type="submit" kind="danger" disabled={!isReady}>
            {action}
          </Button>
        </div>
      </form>
    </DialogWindow>
  );
}
