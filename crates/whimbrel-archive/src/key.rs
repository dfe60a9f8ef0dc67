//! What an archive is encrypted to, and decrypted with.

use crate::ArchiveError;
use age::{Decryptor, Encryptor, Identity, Recipient, scrypt, secrecy::ExposeSecret as _, stream, x25519};
use std::io::{BufRead, Write};
use whimbrel_model::SecretText;

/// Work of making a key of a passphrase: 2 to the power of this, 128 MiB of memory and some tenths of a second. A fixed number, so
/// that every device can read what another one made.
const SCRYPT_LOG_N: u8 = 17;

/// The most work that is done to read what somebody else may have made.
const SCRYPT_LOG_N_AT_MOST: u8 = 20;

/// What an archive is encrypted to.
#[derive(Clone, Debug)]
pub enum Lock {
    /// Whoever knows the passphrase.
    Passphrase(SecretText),
    /// Whoever has the private part of this public key.
    Device(String),
}

/// What an archive is decrypted with.
#[derive(Clone, Debug)]
pub enum Key {
    /// The passphrase.
    Passphrase(SecretText),
    /// The private key.
    Device(SecretText),
}

/// A new X25519 key of a device, for one archive.
#[derive(Clone, Debug)]
pub struct DeviceKey {
    /// The private part. It does not leave the device.
    pub private: SecretText,
    /// The public part.
    pub public: String,
}

impl DeviceKey {
    /// Makes one, from the randomness of the operating system.
    #[must_use]
    pub fn generate() -> Self {
        let identity = x25519::Identity::generate();
        Self {
            private: SecretText::new(identity.to_string().expose_secret().to_owned()),
            public: identity.to_public().to_string(),
        }
    }
}

impl Lock {
    pub(crate) fn encrypt<W: Write>(&self, out: W) -> Result<stream::StreamWriter<W>, ArchiveError> {
        let recipient: Box<dyn Recipient> = match self {
            Self::Passphrase(passphrase) => {
                let mut recipient = scrypt::Recipient::new(secret(passphrase));
                recipient.set_work_factor(SCRYPT_LOG_N);
                Box::new(recipient)
            }
            Self::Device(key) => Box::new(
                key.parse::<x25519::Recipient>()
                    .map_err(|_| ArchiveError::NoKey)?,
            ),
        };
        let encryptor = Encryptor::with_recipients(std::iter::once(recipient.as_ref()));
        let encryptor = encryptor.map_err(|_| ArchiveError::NoKey)?;
        Ok(encryptor.wrap_output(out)?)
    }
}

impl Key {
    pub(crate) fn decrypt<R: BufRead>(&self, input: R) -> Result<stream::StreamReader<R>, ArchiveError> {
        let decryptor = Decryptor::new_buffered(input)?;
        let identity: Box<dyn Identity> = match self {
            Self::Passphrase(passphrase) => {
                let mut identity = scrypt::Identity::new(secret(passphrase));
                identity.set_max_work_factor(SCRYPT_LOG_N_AT_MOST);
                Box::new(identity)
            }
            Self::Device(key) => {
                let identity = key.expose().parse::<x25519::Identity>();
                Box::new(identity.map_err(|_| ArchiveError::WrongKey)?)
            }
        };
        Ok(decryptor.decrypt(std::iter::once(identity.as_ref()))?)
    }
}

fn secret(text: &SecretText) -> age::secrecy::SecretString {
    text.expose().to_owned().into()
}
