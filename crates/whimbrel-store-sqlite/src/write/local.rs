//! What the device keeps for itself.

use crate::script::Script;
use std::collections::BTreeMap;
use uuid::Uuid;
use whimbrel_model::{LocalChange, Transfer};

/// The changes of one delta.
#[derive(Debug, Default)]
pub(super) struct Plan<'a> {
    settings: BTreeMap<&'a str, Option<&'a str>>,
    transfers: BTreeMap<Uuid, TransferChange<'a>>,
}

#[derive(Debug, Default)]
struct TransferChange<'a> {
    /// Whether what is stored of it is forgotten first.
    over: bool,
    put: Option<&'a Transfer>,
    parts: BTreeMap<u64, &'a [u8]>,
}

impl<'a> Plan<'a> {
    pub(super) fn add(&mut self, change: &'a LocalChange) {
        match change {
            LocalChange::Setting(key, value) => {
                self.settings.insert(key, value.as_deref());
            }
            LocalChange::Transfer(transfer) => {
                self.transfers.entry(transfer.request).or_default().put = Some(transfer);
            }
            LocalChange::TransferPart {
                request,
                offset,
                bytes,
            } => {
                let parts = &mut self.transfers.entry(*request).or_default().parts;
                parts.insert(*offset, bytes);
            }
            LocalChange::TransferOver(request) => {
                let over = TransferChange {
                    over: true,
                    ..TransferChange::default()
                };
                self.transfers.insert(*request, over);
            }
        }
    }

    pub(super) fn has_settings(&self) -> bool {
        !self.settings.is_empty()
    }

    pub(super) fn write(&self, script: &mut Script) {
        for (key, value) in &self.settings {
            match value {
                Some(value) => {
                    let sql = "INSERT INTO settings (key, value) VALUES (?, ?) \
                               ON CONFLICT DO UPDATE SET value = excluded.value";
                    script.statement(sql, |args| {
                        args.add(*key);
                        args.add(*value);
                    });
                }
                None => script.statement("DELETE FROM settings WHERE key = ?", |args| args.add(*key)),
            }
        }
        for (request, change) in &self.transfers {
            change.write(*request, script);
        }
    }
}

impl TransferChange<'_> {
    fn write(&self, request: Uuid, script: &mut Script) {
        if self.over {
            for sql in [
                "DELETE FROM transfer_parts WHERE request = ?",
                "DELETE FROM transfers WHERE request = ?",
            ] {
                script.statement(sql, |args| args.add(request.as_bytes().as_slice()));
            }
        }
        if let Some(transfer) = self.put {
            let sql = "INSERT INTO transfers (request, row) VALUES (?, ?) \
                       ON CONFLICT DO UPDATE SET row = excluded.row";
            script.statement(sql, |args| {
                args.add(request.as_bytes().as_slice());
                args.json(transfer);
            });
        }
        for (offset, bytes) in &self.parts {
            let sql = "INSERT INTO transfer_parts (request, \"offset\", bytes) VALUES (?, ?, ?) \
                       ON CONFLICT DO UPDATE SET bytes = excluded.bytes";
            script.statement(sql, |args| {
                args.add(request.as_bytes().as_slice());
                args.number(*offset);
                args.add(*bytes);
            });
        }
    }
}
