//! The private key of the server, which may be encrypted in either of the forms that OpenSSL writes.

use std::path::Path;

use aes::{Aes128, Aes192, Aes256};
use cbc::cipher::block_padding::Pkcs7;
use cbc::cipher::{BlockModeDecrypt, KeyIvInit};
use des::TdesEde3;
use md5::{Digest as _, Md5};
use pem::Pem;
use pkcs8::EncryptedPrivateKeyInfoRef;
use rustls::pki_types::PrivateKeyDer;

use super::error::Error;
use super::pem_file;

/// Reads the key of a file; the file with its password is needed if it is encrypted. Other parts of the file are passed over.
pub fn read(path: &Path, password_file: Option<&Path>) -> Result<PrivateKeyDer<'static>, Error> {
    let wrong = |why: &str| Error::contents(path, why);
    let parts = pem_file::parts(path)?;
    let part = parts
        .into_iter()
        .find(|part| part.tag().ends_with("PRIVATE KEY"))
        .ok_or_else(|| wrong("it has no private key in PEM form"))?;
    let encryption = encryption(&part).map_err(|what| {
        wrong(&format!("the key is encrypted by {what}; encrypt it anew with 'openssl pkcs8 -topk8'"))
    })?;
    let Some(encryption) = encryption else {
        return plain(part.tag(), part.contents().to_vec()).ok_or_else(|| unknown(path));
    };
    let Some(password_file) = password_file else {
        return Err(wrong(
            "the key is encrypted; name a file with its password (password-file), or decrypt it",
        ));
    };
    let password = password(password_file)?;
    let decrypted = encryption.decrypt(&part, &password).ok_or_else(|| {
        wrong(&format!("the password in {} does not decrypt the key", password_file.display()))
    })?;
    let tag = if matches!(encryption, Encryption::Pkcs8) { "PRIVATE KEY" } else { part.tag() };
    plain(tag, decrypted).ok_or_else(|| unknown(path))
}

/// A key of no use here.
pub fn unknown(path: &Path) -> Error {
    Error::contents(path, "a key of this kind is not served; RSA, P-256, P-384, P-521 and Ed25519 are")
}

fn plain(tag: &str, key: Vec<u8>) -> Option<PrivateKeyDer<'static>> {
    match tag {
        "PRIVATE KEY" => Some(PrivateKeyDer::Pkcs8(key.into())),
        "RSA PRIVATE KEY" => Some(PrivateKeyDer::Pkcs1(key.into())),
        "EC PRIVATE KEY" => Some(PrivateKeyDer::Sec1(key.into())),
        _ => None,
    }
}

/// The password is the first line of its file.
fn password(path: &Path) -> Result<Vec<u8>, Error> {
    let mut text = pem_file::bytes(path)?;
    if let Some(end) = text.iter().position(|byte| *byte == b'\n') {
        text.truncate(end);
    }
    if text.last() == Some(&b'\r') {
        text.pop();
    }
    Ok(text)
}

/// How a key is encrypted.
enum Encryption {
    /// `ENCRYPTED PRIVATE KEY`: the key says how.
    Pkcs8,
    /// `DEK-Info: CIPHER,IV` in front of the key: OpenSSL's own form.
    Traditional(Cipher, Vec<u8>),
}

#[derive(Clone, Copy)]
enum Cipher {
    TripleDes,
    Aes128,
    Aes192,
    Aes256,
}

/// How a key is encrypted; an error is what is not known.
fn encryption(part: &Pem) -> Result<Option<Encryption>, String> {
    if part.tag() == "ENCRYPTED PRIVATE KEY" {
        return Ok(Some(Encryption::Pkcs8));
    }
    let Some(info) = part.headers().get("DEK-Info") else { return Ok(None) };
    let (name, iv) = info.split_once(',').unwrap_or((info, ""));
    let (cipher, iv_length) = match name.trim() {
        "DES-EDE3-CBC" => (Cipher::TripleDes, 8),
        "AES-128-CBC" => (Cipher::Aes128, 16),
        "AES-192-CBC" => (Cipher::Aes192, 16),
        "AES-256-CBC" => (Cipher::Aes256, 16),
        other => return Err(other.to_owned()),
    };
    let iv = bytes_of_hex(iv.trim()).filter(|iv| iv.len() == iv_length);
    Ok(Some(Encryption::Traditional(cipher, iv.ok_or_else(|| info.to_owned())?)))
}

fn bytes_of_hex(text: &str) -> Option<Vec<u8>> {
    let digit = |byte: u8| char::from(byte).to_digit(16).and_then(|digit| u8::try_from(digit).ok());
    let pair = |pair: &[u8]| Some(digit(*pair.first()?)? << 4 | digit(*pair.get(1)?)?);
    text.as_bytes().chunks(2).map(pair).collect()
}

impl Encryption {
    /// `None`: the password is not the right one, or the key is damaged.
    fn decrypt(&self, part: &Pem, password: &[u8]) -> Option<Vec<u8>> {
        let bytes = part.contents();
        match self {
            Self::Pkcs8 => {
                let key = EncryptedPrivateKeyInfoRef::try_from(bytes).ok()?.decrypt(password).ok()?;
                Some(key.as_bytes().to_vec())
            }
            Self::Traditional(Cipher::TripleDes, iv) => {
                cbc::<TdesEde3>(bytes, iv, &derived(password, iv, 24))
            }
            Self::Traditional(Cipher::Aes128, iv) => cbc::<Aes128>(bytes, iv, &derived(password, iv, 16)),
            Self::Traditional(Cipher::Aes192, iv) => cbc::<Aes192>(bytes, iv, &derived(password, iv, 24)),
            Self::Traditional(Cipher::Aes256, iv) => cbc::<Aes256>(bytes, iv, &derived(password, iv, 32)),
        }
    }
}

fn cbc<C>(bytes: &[u8], iv: &[u8], key: &[u8]) -> Option<Vec<u8>>
where
    cbc::Decryptor<C>: KeyIvInit + BlockModeDecrypt,
    C: cbc::cipher::BlockCipherDecrypt,
{
    let decryptor = cbc::Decryptor::<C>::new_from_slices(key, iv).ok()?;
    let mut bytes = bytes.to_vec();
    Some(decryptor.decrypt_padded::<Pkcs7>(&mut bytes).ok()?.to_vec())
}

/// OpenSSL's `EVP_BytesToKey` with MD5 and one round; the salt is the begin of the initial value.
fn derived(password: &[u8], iv: &[u8], length: usize) -> Vec<u8> {
    let salt = iv.get(..8).unwrap_or(iv);
    let mut key = Vec::new();
    let mut last = Vec::new();
    while key.len() < length {
        last = Md5::new().chain_update(&last).chain_update(password).chain_update(salt).finalize().to_vec();
        key.extend_from_slice(&last);
    }
    key.truncate(length);
    key
}
