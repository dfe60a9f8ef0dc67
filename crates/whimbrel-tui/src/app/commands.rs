//! Commands in the line: they begin with a slash, and are no messages.

use super::{Action, App, Decision};
use whimbrel::model::{ChannelId, SettingsChange, UserId};

const INVISIBLE: &str = "/invisible";
const INVITE: &str = "/invite";
const STATUS: &str = "/status";

/// Returns whether a line is a command, or is about to be one. Any other line that begins with a slash is a message.
pub(super) fn is_one(line: &str) -> bool {
    let word = line.split_whitespace().next().unwrap_or_default();
    [INVISIBLE, INVITE, STATUS].contains(&word)
}

/// Reads a command that is given in a channel, and what is said when it is carried out. Absent: the line is a message.
fn read(line: &str, cid: &ChannelId) -> Option<Result<(Decision, String), String>> {
    let line = line.trim();
    let (word, rest) = line.split_once(char::is_whitespace).unwrap_or((line, ""));
    let rest = rest.trim();
    Some(match word {
        INVISIBLE => invisible(rest),
        INVITE => invite(rest, cid),
        STATUS => {
            let change = SettingsChange {
                status: Some(rest.to_owned()),
                ..SettingsChange::default()
            };
            let said = match rest {
                "" => "No status any more".to_owned(),
                status => format!("Your status: {status}"),
            };
            Ok((Decision::Settings(change), said))
        }
        _ => return None,
    })
}

fn invisible(rest: &str) -> Result<(Decision, String), String> {
    let (on, said) = match rest {
        "on" => (true, "Others see you offline, until /invisible off"),
        "off" => (false, "Others see when you are online"),
        _ => return Err("Say /invisible on, or /invisible off".to_owned()),
    };
    let change = SettingsChange {
        invisible: Some(on),
        ..SettingsChange::default()
    };
    Ok((Decision::Settings(change), said.to_owned()))
}

fn invite(rest: &str, cid: &ChannelId) -> Result<(Decision, String), String> {
    let words = rest.split([',', ' ']).filter(|word| !word.is_empty());
    let users: Result<Vec<_>, _> = words
        .map(|word| UserId::new(word.trim_start_matches('@')))
        .collect();
    let users = users.map_err(|error| error.to_string())?;
    if users.is_empty() {
        return Err("Say /invite and whom".to_owned());
    }
    let said = "Invited; the list of people (w) says so once the server has it".to_owned();
    Ok((Decision::Invite(cid.clone(), users), said))
}

impl App {
    /// Carries out what is in the line, if it is a command.
    pub(super) fn carry_out(&mut self, cid: &ChannelId) -> Option<Vec<Action>> {
        match read(self.composer.input.value(), cid)? {
            Ok((decision, said)) => {
                self.notify(said);
                // What was kept of the line is given up: it was none of a message.
                let (_, given_up) = self.finish_draft();
                let action = Action::Decide(decision);
                Some([action].into_iter().chain(given_up).collect())
            }
            Err(problem) => {
                self.notify(problem);
                Some(Vec::new())
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_words_of_commands_are_commands() {
        let cid = ChannelId::new("messaging:general").unwrap();
        let read = |line| read(line, &cid);
        assert!(is_one("/status") && is_one("/status on a train") && is_one("/invisible o"));
        assert!(!is_one("/statuses") && !is_one("a /status") && !is_one("/usr/bin"));
        let Some(Ok((Decision::Settings(change), _))) = read(" /status  on a train ") else {
            unreachable!("it is a command");
        };
        assert_eq!(change.status.as_deref(), Some("on a train"));
        assert!(matches!(read("/invisible maybe"), Some(Err(_))));
        assert!(matches!(read("/invite"), Some(Err(_))));
        assert_eq!(read("/usr/bin is a directory"), None);
        let bob = UserId::new("bob").unwrap();
        let Some(Ok((invited, _))) = read("/invite @bob") else {
            unreachable!("it is a command");
        };
        assert_eq!(invited, Decision::Invite(cid.clone(), vec![bob]));
    }
}
