//! Any program under a guard: it dies with the process that started it, and can be killed and paused until then.

use std::path::Path;

use anyhow::Result;

use crate::folder;
use crate::instance::Instance;

/// A running program with a temporary folder of its own, in which it works. Dropping it kills the program and removes the folder.
#[derive(Debug)]
pub struct Program {
    instance: Instance,
}

impl Program {
    /// Starts a command line. Of our environment the program gets the search path and nothing else.
    ///
    /// # Errors
    /// There is no room for its folder, or no process can be made. A program that isn't there ends at once and says so in its log.
    pub fn start(name: &str, command: &[String], environment: &[(String, String)]) -> Result<Self> {
        let folder = folder::make(name, None)?;
        let instance = Instance::guarded(name, folder, "KILL", command, environment)?;
        instance.start()?;
        Ok(Self { instance })
    }

    /// The folder in which the program works.
    pub fn folder(&self) -> &Path {
        self.instance.folder()
    }

    /// The end of what it printed.
    pub fn last_words(&self) -> String {
        self.instance.last_words()
    }

    /// Whether it runs, paused or not.
    pub fn is_alive(&self) -> bool {
        self.instance.is_alive()
    }

    /// Kills it with SIGKILL and waits until it is gone.
    ///
    /// # Errors
    /// It can't be killed.
    pub async fn kill(&self) -> Result<()> {
        self.instance.kill().await
    }

    /// Asks it to end with SIGTERM and waits until it has.
    ///
    /// # Errors
    /// It doesn't end within half a minute.
    pub async fn terminate(&self) -> Result<()> {
        self.instance.terminate().await
    }

    /// Stops it where it is. The system still takes connections for it.
    ///
    /// # Errors
    /// It can't be paused.
    pub async fn pause(&self) -> Result<()> {
        self.instance.pause().await
    }

    /// Lets it go on.
    ///
    /// # Errors
    /// It was never started.
    pub fn resume(&self) -> Result<()> {
        self.instance.resume()
    }

    /// Starts it again after it has ended, in the same folder and with the same environment.
    ///
    /// # Errors
    /// It still runs.
    pub fn restart(&self) -> Result<()> {
        self.instance.start()
    }
}
