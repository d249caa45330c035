//! `journal repair --from-peer`: a node whose journal is damaged becomes another, empty node of its cluster.

use std::io::{IsTerminal as _, Write as _};

use common::endpoint::Endpoint;
use common::exit;
use common::messages::Message as _;
use common::messages::node_journal::{JournalMessage, is_yes};
use orquestrador_core::role::{Acceptor, Durable};

use super::peer_check::{self, Sound};
use super::{Error, Tool};
use crate::journal::inspect::inspect;
use crate::journal::{self, Replaced};
use crate::peer::Peer;

pub(super) fn run(tool: &Tool, configured: &Endpoint, yes: bool) -> Result<u8, Error> {
    if let Some(role) = journal::interrupted(&tool.dir)? {
        // It was agreed to before, and what was here may be partly gone.
        return begin_anew(tool, &role, &configured.to_string());
    }
    let here = inspect(&tool.dir, &mut |_| {})?;
    if here.pieces.is_empty() {
        tool.say(&JournalMessage::NoJournal { dir: tool.dir() });
        return Ok(exit::RESOURCE);
    }
    if !here.stops_node() {
        tool.say(&JournalMessage::NothingToRepair { dir: tool.dir() });
        return Ok(exit::OK);
    }
    tool.report(&here);
    // Another machine may have taken the peer's place since it was configured.
    let peer = Peer::load(&tool.dir, configured.clone(), tool.tls.clone())?.current();
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let sound = match runtime.block_on(peer_check::wait_for(&here, &peer, &tool.tls)) {
        Ok(sound) => sound,
        Err(refusal) => {
            let code = refusal.exit_code();
            tool.say(&refusal.message(peer.to_string(), tool.dir()));
            return Ok(code);
        }
    };
    let peer = peer.to_string();
    if !yes && let Some(code) = ask(tool, &peer)? {
        return Ok(code);
    }
    let Sound { cluster, view, still_listed } = sound;
    let role = Durable {
        cluster: Some(cluster),
        acceptor: Acceptor { view: view.number, ..Acceptor::default() },
        newest: Some(view),
    };
    let code = begin_anew(tool, &role, &peer)?;
    if still_listed {
        tool.say(&JournalMessage::StillListed { peer });
    }
    Ok(code)
}

/// `None` when the person agrees.
fn ask(tool: &Tool, peer: &str) -> Result<Option<u8>, Error> {
    if !std::io::stdin().is_terminal() {
        tool.say(&JournalMessage::NeedsYes);
        return Ok(Some(exit::USAGE));
    }
    let folder = journal::aside_folder(&tool.dir).display().to_string();
    let question = JournalMessage::Confirm { dir: tool.dir(), folder, peer: peer.to_owned() };
    let mut stderr = std::io::stderr();
    write!(stderr, "{}", question.text(tool.lang))?;
    stderr.flush()?;
    let mut answer = String::new();
    std::io::stdin().read_line(&mut answer)?;
    if is_yes(&answer, tool.lang) {
        return Ok(None);
    }
    tool.say(&JournalMessage::NotConfirmed);
    Ok(Some(exit::REFUSED))
}

/// Nothing is deleted. The new node knows its cluster, so it never founds one.
fn begin_anew(tool: &Tool, role: &Durable, peer: &str) -> Result<u8, Error> {
    let Replaced { folder, node } = journal::replace(&tool.dir, role)?;
    tool.say(&JournalMessage::Repaired {
        folder: folder.display().to_string(),
        node: node.to_string(),
        peer: peer.to_owned(),
    });
    Ok(exit::OK)
}
