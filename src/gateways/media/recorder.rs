//! LiveKit's recorder, egress (connect-v2 §3.10): a whole room into one MP4, written by the recorder itself to the store
//! that [`crate::gateways::files`] reads, so that the bytes never pass through this server.

use livekit_api::services::egress::encoding::{EncodingOptions, H264_720P_30};
use livekit_api::services::egress::{EgressListFilter, EgressListOptions, EgressOutput, RoomCompositeOptions};
use livekit_protocol::egress_info::Request;
use livekit_protocol::encoded_file_output::Output;
use livekit_protocol::{
    AudioCodec, AzureBlobUpload, EgressInfo, EgressStatus as Wire, EncodedFileOutput, EncodedFileType, S3Upload,
};
use secrecy::ExposeSecret;

use std::path::PathBuf;
use std::time::Duration;

use super::tokens::check_room;
use super::webhook::{EgressFile, EgressReport, EgressStatus};
use super::{Media, MediaError};
use crate::gateways::files::Place;
use crate::gateways::files::place::FilesPlace;

/// What recordings are, for whoever fetches one.
pub const CONTENT_TYPE: &str = "video/mp4";
/// What their names end with.
pub const EXTENSION: &str = "mp4";

/// Twirp's word for stopping what has ended already.
const ENDED_ALREADY: &str = "failed_precondition";

/// Where the recorder writes: the file store, as the recorder sees it.
#[derive(Debug, Clone)]
pub struct Target {
    files: FilesPlace,
    folder: Option<PathBuf>,
}

impl Target {
    /// The store of the settings. `folder` is where the recorder finds the folder of files, where that is another path.
    #[must_use]
    pub const fn new(files: FilesPlace, folder: Option<PathBuf>) -> Self {
        Self { files, folder }
    }

    /// The name that the recorder is given for an object that stands at `place`: with it recordings are told apart.
    #[must_use]
    pub fn path(&self, place: &Place) -> String {
        match &self.files {
            FilesPlace::Disk(root) => {
                let root = self.folder.as_ref().unwrap_or(root);
                root.join(&place.container).join(&place.name).to_string_lossy().into_owned()
            }
            FilesPlace::Azure(_) | FilesPlace::S3(_) => place.name.clone(),
        }
    }

    fn output(&self, place: &Place) -> EncodedFileOutput {
        let container = place.container.clone();
        let output = match &self.files {
            FilesPlace::Disk(_) => None,
            FilesPlace::Azure(azure) => Some(Output::Azure(AzureBlobUpload {
                account_name: azure.account.clone(),
                account_key: azure.key.expose_secret().to_owned(),
                container_name: container,
            })),
            FilesPlace::S3(s3) => {
                let (access_key, secret) = match &s3.keys {
                    Some((id, secret)) => (id.clone(), secret.expose_secret().to_owned()),
                    // The recorder's own role.
                    None => Default::default(),
                };
                Some(Output::S3(S3Upload {
                    access_key,
                    secret,
                    session_token: s3.token.as_ref().map(|token| token.expose_secret().to_owned()).unwrap_or_default(),
                    region: s3.region.clone(),
                    endpoint: s3.endpoint.clone().unwrap_or_default(),
                    bucket: container,
                    force_path_style: s3.endpoint.is_some(),
                    ..S3Upload::default()
                }))
            }
        };
        EncodedFileOutput {
            file_type: EncodedFileType::Mp4.into(),
            filepath: self.path(place),
            // Or a second object beside each, which nothing here knows of.
            disable_manifest: true,
            output,
        }
    }
}

/// A recording as the recorder lists it.
#[derive(Debug, Clone, PartialEq)]
pub struct Listed {
    /// Where it stands.
    pub report: EgressReport,
    /// The name it was given for its file, where it says.
    pub path: Option<String>,
}

/// Which recordings are asked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Which<'a> {
    /// All that the recorder is at.
    Active,
    /// The one that it calls so.
    One(&'a str),
    /// All of a room.
    Room(&'a str),
}

impl Media {
    /// Asks the recorder to record a room. It answers with its id of the recording. Asked **once**: a second attempt
    /// would be a second recording, so after a failure nobody knows whether it began.
    ///
    /// # Errors
    /// See [`MediaError`]; [`MediaError::NoRoom`] when nobody is in the room.
    pub async fn start_recording(&self, room: &str, target: &Target, place: &Place) -> Result<String, MediaError> {
        check_room(room)?;
        let recorder = &self.0.recorder;
        let started = self
            .0
            .recorder_caller
            .call_once("StartRoomCompositeEgress", || {
                let outputs = vec![EgressOutput::File(target.output(place))];
                recorder.start_room_composite_egress(room, outputs, options())
            })
            .await?;
        started.map(|info| info.egress_id).filter(|id| !id.is_empty()).ok_or(MediaError::NoRoom)
    }

    /// Asks the recorder to stop; one that has ended or is not known is stopped already.
    ///
    /// # Errors
    /// See [`MediaError`].
    pub async fn stop_recording(&self, egress_id: &str) -> Result<(), MediaError> {
        let recorder = &self.0.recorder;
        match self.0.recorder_caller.call("StopEgress", || recorder.stop_egress(egress_id)).await {
            Ok(_) => Ok(()),
            Err(MediaError::Refused { code }) if code == ENDED_ALREADY => Ok(()),
            Err(error) => Err(error),
        }
    }

    /// What the recorder knows.
    ///
    /// # Errors
    /// See [`MediaError`].
    pub async fn recordings(&self, which: Which<'_>) -> Result<Vec<Listed>, MediaError> {
        let recorder = &self.0.recorder;
        let listed = self
            .0
            .recorder_caller
            .call("ListEgress", || {
                let filter = match which {
                    Which::Active => EgressListFilter::All,
                    Which::One(id) => EgressListFilter::Egress(id.to_owned()),
                    Which::Room(room) => EgressListFilter::Room(room.to_owned()),
                };
                let active = which == Which::Active;
                recorder.list_egress(EgressListOptions { filter, active, page_token: None })
            })
            .await?;
        Ok(listed.unwrap_or_default().into_iter().map(listed_of).collect())
    }
}

/// 720p; sound as AAC, which every player of MP4 knows.
fn options() -> RoomCompositeOptions {
    RoomCompositeOptions {
        layout: "grid".to_owned(),
        encoding: EncodingOptions { audio_codec: AudioCodec::Aac, ..H264_720P_30 },
        ..RoomCompositeOptions::default()
    }
}

fn listed_of(info: EgressInfo) -> Listed {
    let status = match Wire::try_from(info.status) {
        Ok(Wire::EgressStarting | Wire::EgressActive | Wire::EgressEnding) => EgressStatus::Running,
        Ok(Wire::EgressComplete) => EgressStatus::Complete,
        Ok(Wire::EgressLimitReached) => EgressStatus::LimitReached,
        Ok(Wire::EgressFailed | Wire::EgressAborted) => EgressStatus::Failed,
        Err(_) => EgressStatus::Unknown,
    };
    let asked = match info.request {
        Some(Request::RoomComposite(asked)) => asked.file_outputs.into_iter().next().map(|file| file.filepath),
        _ => None,
    };
    let file = info.file_results.into_iter().next();
    let path = asked.or_else(|| file.as_ref().map(|file| file.filename.clone()));
    let unsigned = |number: i64| u64::try_from(number).unwrap_or_default();
    Listed {
        path: path.filter(|path| !path.is_empty()),
        report: EgressReport {
            egress_id: info.egress_id,
            status,
            file: file.map(|file| EgressFile {
                size_bytes: unsigned(file.size),
                duration: Duration::from_nanos(unsigned(file.duration)),
                filename: file.filename,
            }),
            error: Some(info.error).filter(|words| !words.is_empty()),
        },
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::panic, reason = "tests")]
    use std::path::Path;

    use super::*;
    use crate::gateways::files::place::Settings;

    fn target(url: &str, folder: Option<&str>) -> Target {
        let settings = Settings {
            files_url: url,
            azure_account_key: "c2VjcmV0",
            s3_access_key_id: "id",
            s3_secret_access_key: "secret",
            s3_session_token: "",
        };
        Target::new(FilesPlace::of(settings, Path::new("/data"), false).unwrap(), folder.map(PathBuf::from))
    }

    fn place(container: &str, name: &str) -> Place {
        Place { container: container.to_owned(), name: name.to_owned() }
    }

    #[test]
    fn the_recorder_writes_where_the_server_reads() {
        let disk = place("recordings", "a/b.mp4");
        let output = target("", None).output(&disk);
        assert_eq!((output.filepath.as_str(), output.output), ("/data/files/recordings/a/b.mp4", None));
        let elsewhere = target("", Some("/out")).output(&disk);
        assert_eq!(elsewhere.filepath, "/out/recordings/a/b.mp4");
        assert!(elsewhere.disable_manifest);

        let output = target("azure://acme", None).output(&disk);
        let Some(Output::Azure(azure)) = output.output else { panic!() };
        assert_eq!((azure.account_name.as_str(), azure.account_key.as_str()), ("acme", "c2VjcmV0"));
        assert_eq!((azure.container_name.as_str(), output.filepath.as_str()), ("recordings", "a/b.mp4"));

        let bucket = place("my-bucket", "pre/recordings/a/b.mp4");
        let output = target("s3://my-bucket/pre?region=ap-south-1", None).output(&bucket);
        let Some(Output::S3(s3)) = output.output else { panic!() };
        assert_eq!((s3.access_key.as_str(), s3.secret.as_str(), s3.region.as_str()), ("id", "secret", "ap-south-1"));
        assert_eq!((s3.bucket.as_str(), s3.force_path_style, s3.endpoint.as_str()), ("my-bucket", false, ""));
        assert_eq!(output.filepath, "pre/recordings/a/b.mp4");
        let output = target("s3://my-bucket?endpoint=http://minio:9000", None).output(&bucket);
        let Some(Output::S3(s3)) = output.output else { panic!() };
        assert_eq!((s3.endpoint.as_str(), s3.force_path_style), ("http://minio:9000", true));
    }

    #[test]
    fn every_state_of_the_recorder_has_a_meaning() {
        for (status, meant) in [
            (0, EgressStatus::Running),
            (1, EgressStatus::Running),
            (2, EgressStatus::Running),
            (3, EgressStatus::Complete),
            (4, EgressStatus::Failed),
            (5, EgressStatus::Failed),
            (6, EgressStatus::LimitReached),
            (99, EgressStatus::Unknown),
        ] {
            let listed = listed_of(EgressInfo { status, ..EgressInfo::default() });
            assert_eq!(listed.report.status, meant, "{status}");
        }
    }
}
