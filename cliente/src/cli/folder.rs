//! Folders of programs: named where the client runs, and used where a worker does.

use common::messages::command_line::BadValue;

/// The whole path; a relative one begins in the working directory of the client. It may well not exist here.
pub fn absolute(dir: &str) -> Result<String, BadValue> {
    let path = std::path::absolute(dir).map_err(|_| BadValue::Folder)?;
    path.into_os_string().into_string().map_err(|_| BadValue::Folder)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_relative_folder_begins_here() {
        let here = std::env::current_dir().expect("there is one").display().to_string();
        assert_eq!(absolute("."), Ok(here.clone()));
        assert_eq!(absolute("./src"), Ok(format!("{here}/src")));
        assert_eq!(absolute("/nao/existe"), Ok("/nao/existe".to_owned()));
        assert_eq!(absolute(""), Err(BadValue::Folder));
    }
}
