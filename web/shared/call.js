// The media room of one consultation, through the vendored livekit-client (connect-v2 §3.14).
// Media is an extra: without a LiveKit server the chat goes on and one quiet line says so.

const CLIENT = '/demo/assets/vendored/livekit-client/livekit-client.umd.js';
const CONNECT_TIMEOUT_MS = 8_000;

/** What changes the pictures and voices of a room. */
const SHOWN = [
  'ParticipantConnected',
  'ParticipantDisconnected',
  'TrackSubscribed',
  'TrackUnsubscribed',
  'TrackMuted',
  'TrackUnmuted',
  'LocalTrackPublished',
  'LocalTrackUnpublished',
];

let loading = null;

/** 600 KB that only callers need, so it is fetched at the first call. */
function livekit() {
  loading ??= new Promise((resolve, reject) => {
    const script = document.createElement('script');
    script.src = CLIENT;
    script.onload = () => {
      globalThis.LivekitClient.setLogLevel('silent');
      resolve(globalThis.LivekitClient);
    };
    script.onerror = () => {
      loading = null;
      reject(new Error('The media client could not be loaded'));
    };
    document.head.append(script);
  });
  return loading;
}

/**
 * State: `idle | joining | joined | unavailable`. Fires `change`. `camera` starts as true for the
 * doctor; for the patient it follows video permission, and the server enforces the same in the room.
 */
export class Call extends EventTarget {
  #api;
  #room = null;
  #wantCamera = false;
  #voices = new Map();

  constructor({ api, sessionId, camera }) {
    super();
    this.#api = api;
    this.#wantCamera = camera;
    this.sessionId = sessionId;
    this.state = 'idle';
    /** The call is open on the server, so the other side is probably in the room. */
    this.ringing = false;
    this.problem = null;
    this.microphone = false;
    this.camera = false;
    /** Video tracks to show: the other side's, and the own one. */
    this.videos = [];
    this.local = null;
    this.peerPresent = false;
  }

  get wantsCamera() {
    return this.#wantCamera;
  }

  apply(event) {
    if (event.type === 'call.started') this.ringing = true;
    else if (event.type === 'call.ended') {
      this.ringing = false;
      if (this.state !== 'idle') return this.leave();
    } else return undefined;
    return this.#changed();
  }

  async join() {
    if (this.state === 'joining' || this.state === 'joined') return;
    this.#set('joining');
    try {
      const kit = await livekit();
      const [, access] = await Promise.all([
        this.#api.post('/connect/call-sessions', {
          connect_session_id: this.sessionId,
          call_type: this.#wantCamera ? 'VIDEO' : 'AUDIO',
        }),
        this.#api.get(`/connect/sessions/${this.sessionId}/token`),
      ]);
      await this.#enter(kit, access.livekit);
    } catch (error) {
      this.#leave();
      this.problem = error.status > 0 ? error.message : null;
      this.#set('unavailable');
    }
  }

  async #enter(kit, grant) {
    const room = new kit.Room({ adaptiveStream: true, dynacast: true });
    this.#room = room;
    const { RoomEvent } = kit;
    for (const change of SHOWN) room.on(RoomEvent[change], () => this.#collect());
    // The grant for the camera arrives in the room a moment after the permission event.
    room.on(RoomEvent.ParticipantPermissionsChanged, () => this.#applyCamera());
    room.on(RoomEvent.Disconnected, () => {
      if (room === this.#room) this.leave();
    });
    await deadline(room.connect(grant.ws_url, grant.token, { maxRetries: 0 }), CONNECT_TIMEOUT_MS);
    if (room !== this.#room) return;
    this.#set('joined');
    await this.setMicrophone(true);
    await this.#applyCamera();
  }

  async setMicrophone(on) {
    try {
      await this.#room?.localParticipant.setMicrophoneEnabled(on);
      this.problem = null;
    } catch {
      this.problem = 'The microphone cannot be used';
    }
    this.#collect();
  }

  /** Says whether the own camera may run; it is switched at once where a room is joined. */
  setCamera(on) {
    if (this.#wantCamera === on) return;
    this.#wantCamera = on;
    this.#applyCamera();
  }

  async #applyCamera() {
    const self = this.#room?.localParticipant;
    if (!self || this.state !== 'joined') return;
    try {
      await self.setCameraEnabled(this.#wantCamera);
    } catch {
      // Not permitted yet: tried again when the room changes the permission.
    }
    this.#collect();
  }

  leave() {
    this.#leave();
    this.#set('idle');
  }

  #leave() {
    const room = this.#room;
    this.#room = null;
    this.videos = [];
    this.local = null;
    this.peerPresent = false;
    this.microphone = false;
    this.camera = false;
    this.#hear([]);
    room?.disconnect().catch(() => {});
  }

  #collect() {
    const room = this.#room;
    if (!room) return;
    const self = room.localParticipant;
    this.microphone = self.isMicrophoneEnabled;
    this.camera = self.isCameraEnabled;
    this.local = this.camera ? ([...self.videoTrackPublications.values()][0]?.track ?? null) : null;
    const peers = [...room.remoteParticipants.values()];
    const tracks = peers
      .flatMap((peer) => [...peer.trackPublications.values()])
      .filter((publication) => publication.track && !publication.isMuted)
      .map((publication) => publication.track);
    this.peerPresent = peers.length > 0;
    this.videos = tracks.filter((track) => track.kind === 'video');
    this.#hear(tracks.filter((track) => track.kind === 'audio'));
    this.#changed();
  }

  /** Voices belong to the call, not to what is on the screen: they go on while another page is shown. */
  #hear(tracks) {
    for (const [track, element] of this.#voices) {
      if (tracks.includes(track)) continue;
      track.detach(element);
      element.remove();
      this.#voices.delete(track);
    }
    for (const track of tracks) {
      if (this.#voices.has(track)) continue;
      const element = track.attach();
      element.hidden = true;
      document.body.append(element);
      this.#voices.set(track, element);
    }
  }

  #set(state) {
    this.state = state;
    if (state === 'joining') this.problem = null;
    this.#changed();
  }

  #changed() {
    this.dispatchEvent(new Event('change'));
  }
}

function deadline(promise, ms) {
  return Promise.race([
    promise,
    new Promise((_, reject) => setTimeout(() => reject(new Error('no answer')), ms)),
  ]);
}
