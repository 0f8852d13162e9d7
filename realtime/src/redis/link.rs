//! One connection: to one server, or one to each server of a cluster behind the same handle.

use std::time::Duration;

use futures_util::future::try_join_all;
use redis::aio::{AsyncPushSender, ConnectionLike, MultiplexedConnection};
use redis::cluster_async::ClusterConnection;
use redis::{AsyncConnectionConfig, Cmd, FromRedisValue, Pipeline, RedisResult, Script};

use super::Address;

/// The library's own patience with an answer; ours is shorter.
const LONGEST: Duration = Duration::from_secs(3);
/// How long one server may take to be connected to: the others of its cluster wait for it.
const CONNECT: Duration = Duration::from_millis(1200);

/// A connection; clones share it.
#[derive(Clone)]
pub(crate) enum Link {
    /// To one server.
    One(MultiplexedConnection),
    /// To a cluster.
    Cluster(Box<ClusterConnection>),
}

impl std::fmt::Debug for Link {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Self::One(_) => "Link(one)",
            Self::Cluster(_) => "Link(cluster)",
        })
    }
}

impl Link {
    /// Connects; what the server sends unasked goes to `pushes`.
    pub(crate) async fn connect(address: &Address, pushes: Option<Pushes>) -> RedisResult<Self> {
        if let Some(mut builder) = address.cluster() {
            builder = builder.connection_timeout(CONNECT).response_timeout(LONGEST).retries(2);
            if let Some(pushes) = pushes {
                builder = builder.push_sender(pushes);
            }
            return Ok(Self::Cluster(Box::new(builder.build()?.get_async_connection().await?)));
        }
        let mut config = AsyncConnectionConfig::new()
            .set_connection_timeout(Some(CONNECT))
            .set_response_timeout(Some(LONGEST))
            .set_pipeline_buffer_size(1024);
        if let Some(pushes) = pushes {
            config = config.set_push_sender(pushes);
        }
        let client = address.client().await?;
        Ok(Self::One(client.get_multiplexed_async_connection_with_config(&config).await?))
    }

    /// Asks one thing.
    pub(crate) async fn query<T: FromRedisValue>(self, command: &Cmd) -> RedisResult<T> {
        match self {
            Self::One(mut connection) => command.query_async(&mut connection).await,
            Self::Cluster(mut connection) => command.query_async(&mut *connection).await,
        }
    }

    /// Runs a script, sending its text where the server does not know it.
    pub(crate) async fn script<T: FromRedisValue>(
        self,
        script: &Script,
        keys: &[String],
        args: &[String],
    ) -> RedisResult<T> {
        let mut invocation = script.prepare_invoke();
        for key in keys {
            invocation.key(key);
        }
        for arg in args {
            invocation.arg(arg);
        }
        match self {
            Self::One(mut connection) => invocation.invoke_async(&mut connection).await,
            Self::Cluster(mut connection) => invocation.invoke_async(&mut *connection).await,
        }
    }

    /// Sends pipelines, each of keys of one place of a cluster, side by side; each keeps its order.
    pub(crate) async fn send(self, pipelines: &[Pipeline]) -> RedisResult<()> {
        try_join_all(pipelines.iter().map(|pipeline| {
            let link = self.clone();
            async move {
                match link {
                    Self::One(mut connection) => connection.run(pipeline).await,
                    Self::Cluster(mut connection) => connection.run(pipeline).await,
                }
            }
        }))
        .await?;
        Ok(())
    }

    /// Hears these channels from now on; the answer means that the server has noted them.
    pub(crate) async fn hear(self, channels: &[String]) -> RedisResult<()> {
        match self {
            Self::One(mut connection) => connection.subscribe(channels).await,
            // Channels of one command must belong to one place.
            Self::Cluster(connection) => {
                try_join_all(channels.iter().map(|channel| {
                    let mut connection = connection.clone();
                    async move { connection.ssubscribe(channel).await }
                }))
                .await?;
                Ok(())
            }
        }
    }

    /// Hears these channels no longer.
    pub(crate) async fn leave(self, channels: &[String]) -> RedisResult<()> {
        match self {
            Self::One(mut connection) => connection.unsubscribe(channels).await,
            Self::Cluster(mut connection) => {
                for channel in channels {
                    connection.sunsubscribe(channel).await?;
                }
                Ok(())
            }
        }
    }
}

/// Where unasked frames go. The library sends from the task that reads the socket, so this must never wait.
pub(crate) struct Pushes(pub(crate) Box<dyn Fn(redis::PushInfo) + Send + Sync>);

impl AsyncPushSender for Pushes {
    fn send(&self, info: redis::PushInfo) -> Result<(), redis::aio::SendError> {
        (self.0)(info);
        Ok(())
    }
}

/// A pipeline whose answers nobody needs.
trait Run: ConnectionLike + Send {
    async fn run(&mut self, pipeline: &Pipeline) -> RedisResult<()>
    where
        Self: Sized,
    {
        let _: redis::Value = pipeline.query_async(self).await?;
        Ok(())
    }
}

impl Run for MultiplexedConnection {}
impl Run for ClusterConnection {}
